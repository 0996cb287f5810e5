"""Samples that lm-evaluation-harness logged keep its scores."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tunegrid.cells import import_predictions
from tunegrid.config.errors import DataError
from tunegrid.store.json_files import read_json_lines

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


def record(number: Any, **changes: Any) -> dict[str, Any]:
    """Return a sample as versions without a list of metrics write it."""
    return SAMPLE | {"doc_id": number, "filtered_resps": [["A"]], "doc_hash": 7, "acc": 1} | changes


def imported(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "samples_ceval_2026-11-22T12-00-00.123456.jsonl"
    path.write_text(text, encoding="utf-8")
    given = import_predictions.read("exams", path, None, sets=False)
    summary = import_predictions.write(tmp_path / "results", "row", "exams", given, None)
    rows = {m["metric"]: m for m in summary["measurements"] if m["category"] == "ceval"}
    [scores] = (tmp_path / "results" / "runs").glob("*/scores/*.jsonl")
    return {"rows": rows, "given": given, "scores": list(read_json_lines(scores))}


def lines(*records: Any) -> str:
    return "\n".join(json.dumps(one) for one in records)


def test_without_a_list_known_metrics_are_read_and_no_identifier(tmp_path: Path) -> None:
    found = imported(tmp_path, lines(*[record(n, acc=n % 2, target=3) for n in range(501)]))
    assert list(found["rows"]) == ["acc"]
    assert found["rows"]["acc"]["value"] == pytest.approx(100 * 250 / 501)
    assert [item.identifier for item in found["given"].benchmark.items[:2]] == [
        "ceval-0",
        "ceval-1",
    ]
    assert found["given"].benchmark.items[0].reference == "3"
    assert [score["value"] for score in found["scores"][:3]] == [0.0, 1.0, 0.0]
    assert found["given"].notes == ()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ({"acc": math.nan}, "acc is nan"),
        ({"acc": math.inf}, "acc is inf"),
        ({"acc": None}, "acc is None"),
        ({"acc": "1"}, "acc is '1'"),
        ({"acc": None, "metrics": ["acc"]}, "acc is None"),
        ({"acc": math.nan, "metrics": ["acc"]}, "acc is nan"),
    ],
)
def test_what_is_no_finite_number_is_an_unscored_item_with_its_place(
    tmp_path: Path, damage: dict[str, Any], found: str
) -> None:
    read = imported(tmp_path, lines(record(0), record(1) | damage, record(2, acc=0)))
    row = read["rows"]["acc"]
    assert (row["value"], row["items"], row["unscored"]) == (50.0, 2, 1)
    assert [score["value"] for score in read["scores"]] == [1.0, None, 0.0]
    assert found in read["scores"][1]["reason"]
    assert read["scores"][1]["reason"].endswith("line 2")
    assert found in read["given"].notes[0]


def test_a_metric_that_one_item_lacks_is_unscored_there(tmp_path: Path) -> None:
    read = imported(tmp_path, lines(record(0, f1=0.5), record(1)))
    assert (read["rows"]["f1"]["value"], read["rows"]["f1"]["unscored"]) == (50.0, 1)
    assert read["rows"]["acc"]["unscored"] == 0


def test_what_is_no_share_is_not_given_in_per_cent(tmp_path: Path) -> None:
    assert imported(tmp_path, lines(record(0, bleu=23.5)))["rows"]["bleu"]["value"] == 23.5


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (lines({"doc_id": 0, "filtered_resps": [], "my_score": 1}), ["my_score", "acc_norm"]),
        (lines(record(0), record(0.5)), ["line 2", "doc_id is 0.5"]),
        (lines(record(True)), ["doc_id is True"]),
        (lines(record(None)), ["doc_id is None"]),
        (lines(record(0, metrics="acc")), ["`metrics` is 'acc'"]),
        (lines(record(0, metrics=["doc_id"])), ["`metrics` is ['doc_id']"]),
        (lines(record(0, metrics=[])), ["`metrics` is []"]),
        (lines(record(0, metrics=["acc"], acc=[1, 2])), ["no number in any of the metrics acc"]),
        (lines(record(0)) + "\n" + lines(record(1))[:-9], ["line 2", "not JSON"]),
        (lines(record(0), record(0)), ["1 samples stand twice"]),
        (lines({"acc": 1}), ["line 1", "no sample of lm-evaluation-harness"]),
    ],
)
def test_a_damaged_file_is_refused_with_what_was_found(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        imported(tmp_path, text)
    assert all(part in str(caught.value) for part in parts), str(caught.value)
