"""Samples that lm-evaluation-harness logs: one item a record, scored by the harness already.

Owns: reading samples_<task>_<time>.jsonl. Knows nothing of how the harness is run. One record has

    {"doc_id": 0, "target": "1", "filtered_resps": [["-1.0", "False"]], "filter": "none",
     "metrics": ["acc"], "acc": 1.0}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """One item as the harness answered and scored it; `scores` by metric, in 0 to 1."""

    item: Item
    answer: str
    scores: Mapping[str, float]


def harness_samples(path: Path) -> list[HarnessSample]:
    """Return the samples of one file.

    Raises:
        DataError: a record without doc_id, metrics and filtered_resps.

    """
    task = harness_task(path)
    return [
        harness_sample(task, record.value, f"{path}, line {record.line}")
        for record in read_records(path)
    ]


def harness_sample(task: str, value: Any, where: str) -> HarnessSample:
    """Return one logged sample of the harness.

    Raises:
        DataError: it lacks doc_id, metrics or filtered_resps.

    """
    if not isinstance(value, Mapping) or "doc_id" not in value or "filtered_resps" not in value:
        raise DataError(f"{where}: no sample of lm-evaluation-harness (doc_id, filtered_resps)")
    metrics = value.get("metrics") or [
        name for name, entry in value.items() if isinstance(entry, bool | float)
    ]
    filtered = value.get("filter", "none")
    suffix = "" if filtered == "none" else f" ({filtered})"
    scores = {
        f"{name}{suffix}": float(value[name])
        for name in metrics
        if isinstance(value.get(name), int | float)
    }
    if not scores:
        raise DataError(f"{where}: no number for any of the metrics {metrics}")
    item = Item(
        identifier=f"{task}-{value['doc_id']}{suffix}",
        category=task,
        question="",
        form=MULTIPLE_CHOICE,
        reference=str(value.get("target", "")),
        group=None,
    )
    return HarnessSample(item, canonical_json(value["filtered_resps"]), scores)


def harness_benchmark(name: str, samples: Sequence[HarnessSample], sha256: str) -> Benchmark:
    """Return a benchmark whose items were scored by the harness already.

    An item's own score is its first metric; the summary has a row for each task and metric, in
    per cent, and for each metric the mean over the tasks that have it.
    """
    by_name = {sample.item.identifier: sample for sample in samples}

    def score(item: Item, answer: str) -> ItemScore:
        first = next(iter(by_name[item.identifier].scores.values()))
        return ItemScore(item.identifier, first, "")

    def summarize(items: Sequence[Item], scores: Sequence[ItemScore]) -> list[Measurement]:
        rows: list[Measurement] = []
        for metric in dict.fromkeys(m for sample in samples for m in sample.scores):
            of_metric = [
                measurement(
                    task,
                    metric,
                    [
                        ItemScore(s.item.identifier, s.scores[metric], "")
                        for s in samples
                        if s.item.category == task and metric in s.scores
                    ],
                )
                for task in dict.fromkeys(s.item.category for s in samples if metric in s.scores)
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
