"""The stage of a cell that runs lm-evaluation-harness: its names and its files.

Owns: predictions/ and scores/ of the harness' tasks. Knows nothing of how they are run.
"""

from __future__ import annotations

import importlib.metadata
import math
from pathlib import Path
from typing import Any

from tunegrid.cells import identity, requests
from tunegrid.cells.identity import Cell
from tunegrid.cells.stages.predict import AnsweringModels
from tunegrid.config.fingerprint import file_sha256
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

NAME = "lm_eval"
PROTOCOL = "harness"
TOKENS_A_ROW = 512
"""What a row of the harness is taken to need when the batch is sized."""


def score_id(cell: Cell, of: str | None = None) -> str:
    """Return the name of the harness' results on a cell, by all that decides them.

    Args:
        cell: the cell.
        of: what stands for its weights in the name; by default its hash.
    """
    # The harness and its tasks change with its version, which is part of the name here: unlike the
    # libraries that compute, it defines the questions.
    settings = cell.config.eval
    folder = settings.task_folder
    files = [] if folder is None else sorted(f for f in Path(folder).rglob("*") if f.is_file())
    content: dict[str, Any] = {
        "cell": cell.hash if of is None else of,
        "tasks": settings.tasks,
        "files": [[file.name, file_sha256(file)] for file in files],
        "shots": settings.shots,
        "limit": settings.limit,
        "seed": cell.config.seed,
        "version": importlib.metadata.version("lm_eval"),
        "policy": requests.batch_policy(cell.config),
    }
    return f"{NAME}-{identity.short_hash(content)}"


def run(cell: Cell, run_directory: RunDirectory, models: AnsweringModels) -> str:
    """Write the harness' samples and results, unless they are there; return their name."""
    from tunegrid.evaluation import lm_eval

    name = score_id(cell)
    final = f"{run_files.SCORES}/{name}.json"
    if run_directory.has(final):
        return name
    settings, runtime = cell.config.eval, cell.config.runtime
    report = lm_eval.run(
        models.answering(),
        models.tokenizer,
        settings.tasks,
        task_folder=None if settings.task_folder is None else Path(settings.task_folder),
        shots=settings.shots,
        limit=settings.limit,
        batch_size=max(1, runtime.generation_batch_tokens // TOKENS_A_ROW),
        seed=cell.config.seed,
    )
    samples = [(task, sample) for task, of_task in report.samples.items() for sample in of_task]
    run_directory.write_lines(
        f"{run_files.PREDICTIONS}/{name}.jsonl",
        [{"task": task, **_plain(sample)} for task, sample in samples],
    )
    run_directory.write_lines(
        f"{run_files.SCORES}/{name}.jsonl",
        [
            {
                "identifier": f"{task}-{sample['doc_id']}-{sample.get('filter', 'none')}",
                "category": task,
                "value": (value := _first_metric(sample)),
                "reason": "" if value is not None else "no finite number",
            }
            for task, sample in samples
        ],
    )
    run_directory.write(
        final,
        {
            "score_id": name,
            "prediction_id": name,
            "benchmark": NAME,
            "version": f"lm_eval {report.version}"
            + ("" if settings.limit is None else f"-limit{settings.limit}"),
            "protocol": PROTOCOL,
            "judge": "rule",
            "note": "measured by lm-evaluation-harness",
            "incomplete": False,
            "problems": {},
            "suspect": [],
            "measurements": [vars(row) for row in report.measurements],
        },
    )
    return name


def _first_metric(sample: dict[str, Any]) -> float | None:
    """Return an item's own score: its first metric that is a number."""
    values = [sample.get(metric) for metric in sample.get("metrics", [])]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return numbers[0] if numbers and math.isfinite(numbers[0]) else None


def _plain(value: Any) -> Any:
    """Return a sample as JSON has it; what JSON lacks becomes its text."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
