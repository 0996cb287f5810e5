"""Samples that lm-evaluation-harness logs: one item a record, scored by the harness already.

Owns: reading samples_<task>_<time>.jsonl. Knows nothing of how the harness is run. One record has

    {"doc_id": 0, "target": "1", "filtered_resps": [["-1.0", "False"]], "filter": "none",
     "metrics": ["acc"], "acc": 1.0}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.config.fingerprint import canonical_json
from tunegrid.data.json_records import read_records
from tunegrid.evaluation.benchmark import (
    MULTIPLE_CHOICE,
    Benchmark,
    Item,
    ItemScore,
    Measurement,
    average,
    measurement,
)

SHARES = (
    "acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "em", "f1", "mc1", "mc2",
    "pass@1", "likelihood_diff", "pct_stereotype", "mcc", "brier_score",
    "prompt_level_strict_acc", "prompt_level_loose_acc", "bleu_acc", "rouge1_acc", "rouge2_acc",
    "rougeL_acc",
)  # fmt: skip
NO_SHARES = (
    "bleu", "ter", "chrf", "bleu_max", "bleu_diff", "rouge1", "rouge2", "rougeL", "rougeLsum",
    "rouge1_max", "rouge2_max", "rougeL_max", "rouge1_diff", "rouge2_diff", "rougeL_diff",
    "perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte",
    "inst_level_strict_acc", "inst_level_loose_acc",
)  # fmt: skip
KNOWN_METRICS = (*SHARES, *NO_SHARES)
"""Names that the harness and its tasks give their metrics; the second kind is not in 0 to 1."""
NO_METRICS = ("doc_id", "doc_hash", "prompt_hash", "target_hash")
"""Fields of a record that are none, whatever stands in them."""


def harness_files(path: Path) -> list[Path]:
    """Return lm-evaluation-harness' sample files at a path: itself, or those below a folder."""
    if path.is_dir():
        return sorted(path.rglob("samples_*.jsonl"))
    return [path] if path.name.startswith("samples_") and path.suffix == ".jsonl" else []


def harness_task(path: Path) -> str:
    """Return the task of a sample file: samples_<task>_2026-11-22T12-00-00.123456.jsonl."""
    return re.sub(r"_\d{4}-\d\d-\d\dT[\d\-:.]+$", "", path.stem.removeprefix("samples_"))


@dataclass(frozen=True)
class HarnessSample:
    """One item as the harness answered and scored it.

    `scores` has a number for each metric, or None where what stands there is none; `places` says
    of those what was found and where. Metrics of a filter have its name in brackets.
    """

    item: Item
    answer: str
    filter: str
    scores: Mapping[str, float | None]
    places: Mapping[str, str]


def harness_samples(path: Path) -> list[HarnessSample]:
    """Return the samples of one file.

    Raises:
        DataError: a record without doc_id, filtered_resps or a metric that is known.

    """
    task = harness_task(path)
    samples = [
        harness_sample(task, record.value, f"{path}, line {record.line}")
        for record in read_records(path, whole_numbers=True)
    ]
    return _with_gaps(samples, path)


def harness_sample(task: str, value: Any, where: str) -> HarnessSample:
    """Return one logged sample of the harness.

    Raises:
        DataError: it lacks doc_id, filtered_resps or a metric that is known.

    """
    if not isinstance(value, Mapping) or "doc_id" not in value or "filtered_resps" not in value:
        raise DataError(
            f"{where}: no sample of lm-evaluation-harness (doc_id, filtered_resps); give the files "
            "that --log_samples writes"
        )
    document = value["doc_id"]
    if isinstance(document, bool) or not isinstance(document, int | str):
        raise DataError(
            f"{where}: doc_id is {document!r}; accepted is a whole number or a text. The file was "
            "changed, get it again"
        )
    filtered = str(value.get("filter", "none"))
    suffix = "" if filtered == "none" else f" ({filtered})"
    scores: dict[str, float | None] = {}
    places = {}
    for name in _metrics(value, where):
        found = value.get(name)
        # The harness makes some numbers of all items together (perplexities, correlations); an
        # item then has what they are made of.
        if isinstance(found, list | Mapping):
            continue
        number = float(found) if isinstance(found, int | float) else math.nan
        scores[name + suffix] = number if math.isfinite(number) else None
        if not math.isfinite(number):
            places[name + suffix] = f"{name} is {found!r}: {where}"
    if not scores:
        raise DataError(
            f"{where}: no number in any of the metrics {', '.join(_metrics(value, where))}; leave "
            "out tasks that have no score of a single item"
        )
    item = Item(
        identifier=f"{task}-{document}{suffix}",
        category=task,
        question="",
        form=MULTIPLE_CHOICE,
        reference=str(value.get("target", "")),
        group=None,
    )
    return HarnessSample(item, canonical_json(value["filtered_resps"]), filtered, scores, places)


def _metrics(value: Mapping[str, Any], where: str) -> list[str]:
    """Return the metrics of a record: those it lists, or the fields that are known to be one.

    Versions of the harness before 0.4.8 list none, and a record has other numbers: doc_id.
    """
    listed = value.get("metrics")
    if listed is None:
        listed = [name for name in value if name in KNOWN_METRICS]
    if (
        not isinstance(listed, list)
        or not listed
        or not all(isinstance(name, str) and name not in NO_METRICS for name in listed)
    ):
        raise DataError(
            f"{where}: `metrics` is {value.get('metrics')!r}, and the fields are "
            f"{', '.join(value)}. Accepted is a list of the names of metrics, or, without one, a "
            f"field among {', '.join(KNOWN_METRICS)}; name the metrics of this task in `metrics`"
        )
    return listed


def _with_gaps(samples: Sequence[HarnessSample], path: Path) -> list[HarnessSample]:
    """Return the samples with None for a metric that others of the same filter have."""
    metrics: dict[str, dict[str, None]] = {}
    for sample in samples:
        metrics.setdefault(sample.filter, {}).update(dict.fromkeys(sample.scores))
    found = []
    for sample in samples:
        gaps = [name for name in metrics[sample.filter] if name not in sample.scores]
        scores = {name: sample.scores.get(name) for name in metrics[sample.filter]}
        places = {name: f"no {name}: {path}, {sample.item.identifier}" for name in gaps}
        found.append(replace(sample, scores=scores, places={**sample.places, **places}))
    return found


def _item_score(sample: HarnessSample, metric: str) -> ItemScore:
    return ItemScore(sample.item.identifier, sample.scores[metric], sample.places.get(metric, ""))


def harness_benchmark(name: str, samples: Sequence[HarnessSample], sha256: str) -> Benchmark:
    """Return a benchmark whose items were scored by the harness already.

    An item's own score is its first metric; the summary has a row for each task and metric, in
    per cent where the metric is a share, and for each metric the mean over the tasks that have it.
    """
    by_name = {sample.item.identifier: sample for sample in samples}

    def score(item: Item, answer: str) -> ItemScore:
        sample = by_name[item.identifier]
        return _item_score(sample, next(iter(sample.scores)))

    def summarize(items: Sequence[Item], scores: Sequence[ItemScore]) -> list[Measurement]:
        rows: list[Measurement] = []
        for metric in dict.fromkeys(m for sample in samples for m in sample.scores):
            having = [sample for sample in samples if metric in sample.scores]
            of_metric = [
                measurement(
                    task,
                    metric,
                    [_item_score(one, metric) for one in having if one.item.category == task],
                    factor=1.0 if metric.split(" ")[0] in NO_SHARES else 100.0,
                )
                for task in dict.fromkeys(one.item.category for one in having)
            ]
            rows += [*of_metric, average("average", metric, of_metric)]
        return rows

    return Benchmark(
        name=name,
        version="lm-eval",
        sha256=sha256,
        items=tuple(sample.item for sample in samples),
        needs_judge=False,
        metric="",
        score=score,
        summarize=summarize,
    )
