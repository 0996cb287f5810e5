"""EleutherAI's lm-evaluation-harness on a model in memory.

Owns: calling the harness and reading what it returns. Knows nothing of cells or run directories.
The harness is an optional package and is imported when it is called.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.evaluation.benchmark import Measurement
from tunegrid.models.inference.generation import answering

# Shares of 1, which rows give in per cent like every other share.
SHARES = (
    "acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "f1", "em", "mc1", "mc2",
    "pass@1", "likelihood_diff", "pct_stereotype",
)  # fmt: skip


@dataclass(frozen=True)
class HarnessReport:
    """What the harness returned: its version, a row for each metric, and the samples by task."""

    version: str
    measurements: list[Measurement]
    samples: dict[str, list[dict[str, Any]]]


def run(
    model: Any,
    tokenizer: Any,
    tasks: Sequence[str],
    *,
    task_folder: Path | None,
    shots: int | None,
    limit: int | None,
    batch_size: int,
    seed: int,
) -> HarnessReport:
    """Return the results of tasks on a model.

    Args:
        model: with or without a method; left in the mode it was in.
        tokenizer: the base's.
        tasks: names, of the harness or of definitions in `task_folder`.
        task_folder: own definitions, whose relative data files lie beside them.
        shots: few-shot examples; None leaves it to each task.
        limit: items of each task; None for all.
        batch_size: rows.
        seed: of the choice of few-shot examples and of sampling.

    Raises:
        ConfigError: a task that the harness does not know.

    """
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    with _quiet(), contextlib.chdir(task_folder or Path()), answering(model):
        manager = TaskManager(include_path=None if task_folder is None else str(task_folder))
        unknown = [name for name in tasks if name not in manager.all_tasks]
        if unknown:
            raise ConfigError(
                f"eval.tasks: lm-evaluation-harness {lm_eval.__version__} has no task "
                f"{', '.join(unknown)}; `lm-eval ls tasks` lists them, and eval.task_folder adds "
                "your own"
            )
        wrapped = HFLM(
            pretrained=model, tokenizer=tokenizer, batch_size=batch_size,
            device=str(model.get_input_embeddings().weight.device),
        )  # fmt: skip
        found = lm_eval.simple_evaluate(
            model=wrapped, tasks=list(tasks), task_manager=manager, num_fewshot=shots,
            limit=limit, log_samples=True, random_seed=seed, numpy_random_seed=seed,
            torch_random_seed=seed, fewshot_random_seed=seed,
        )  # fmt: skip
    return HarnessReport(
        version=lm_eval.__version__, measurements=measurements(found), samples=found["samples"]
    )


def measurements(found: Mapping[str, Any]) -> list[Measurement]:
    """Return a row for each metric of each task and group, under the harness' own names.

    Args:
        found: what `simple_evaluate` returned: numbers under "acc,none" and "acc_stderr,none",
            where the part behind the comma is the filter of the replies.

    """
    rows = []
    for task, values in {**found["results"], **found.get("groups", {})}.items():
        counts = found.get("n-samples", {}).get(task, {})
        for key, value in values.items():
            metric, comma, filtered = key.partition(",")
            if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            factor = 100.0 if metric in SHARES else 1.0
            error = values.get(f"{metric}_stderr,{filtered}")
            items = int(counts.get("effective", values.get("sample_len", 0)) or 0)
            is_finite = math.isfinite(value)
            rows.append(
                Measurement(
                    category=task,
                    metric=metric if filtered == "none" else f"{metric} ({filtered})",
                    value=factor * float(value) if is_finite else None,
                    items=items if is_finite else 0,
                    unscored=0 if is_finite else items,
                    standard_error=factor * float(error)
                    if is_finite and isinstance(error, int | float) and math.isfinite(error)
                    else None,
                )
            )
    return rows


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the harness' reports of its defaults off the screen."""
    import logging

    logger = logging.getLogger("lm_eval")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
