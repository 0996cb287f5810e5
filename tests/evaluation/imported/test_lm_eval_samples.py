"""Samples that lm-evaluation-harness logged keep its scores."""

from __future__ import annotations

import json
from pathlib import Path

from tunegrid.cells import import_predictions

SAMPLE = {"doc": {}, "target": "1", "arguments": [], "resps": [], "filter": "none"}


def harness(tmp_path: Path) -> Path:
    for task, values in (("ceval-valid_law", (1.0, 0.0)), ("cmmlu_arts", (1.0, 1.0, 0.0, 0.0))):
        path = tmp_path / "out" / f"samples_{task}_2026-11-22T12-00-00.123456.jsonl"
        path.parent.mkdir(exist_ok=True)
        records = [
            SAMPLE
            | {"doc_id": n, "filtered_resps": [["-1.0", "False"]], "metrics": ["acc"], "acc": value}
            for n, value in enumerate(values)
        ]
        path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return tmp_path / "out"


def test_harness_samples_keep_the_harness_scores(tmp_path: Path) -> None:
    given = import_predictions.read("exams", harness(tmp_path), None, sets=False)
    summary = import_predictions.write(tmp_path / "results", "row", "exams", given, None)
    found = {
        (m["category"], m["metric"]): (m["value"], m["items"]) for m in summary["measurements"]
    }
    assert found == {
        ("ceval-valid_law", "acc"): (50.0, 2),
        ("cmmlu_arts", "acc"): (50.0, 4),
        ("average", "acc"): (50.0, 6),
    }
