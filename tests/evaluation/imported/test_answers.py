"""Answers made elsewhere, read in the forms they are published in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunegrid.config.errors import DataError
from tunegrid.evaluation.imported import answers as elsewhere

PUBLISHED: dict[str, dict[str, Any]] = {
    "chatglm6b": {
        "right": 3362,
        "accuracy": (34.30, 16.91, 28.85, 35.82, 28.97, 28.38),
        "accuracy_of_subjects": (0.338, 0.169, 0.288, 0.333, 0.282),
    },
    "bloomz_560m": {
        "right": 2708,
        "accuracy": (30.58, 16.35, 20.05, 25.25, 23.06, 22.86),
    },
}


def test_sets_of_letters_gain_one_item_in_each_published_model(shared_data: Path) -> None:
    for model, published in PUBLISHED.items():
        given = elsewhere.read_published_mmcu(shared_data / "mmcu_outputs" / model, strict=False)
        assert given.benchmark.score is not None
        pairs = zip(given.benchmark.items, given.answers, strict=True)
        right = sum(given.benchmark.score(item, answer).value or 0 for item, answer in pairs)
        assert right == published["right"] + 1


def folder(tmp_path: Path, **files: str) -> Path:
    place = tmp_path / "answers"
    place.mkdir()
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    return place


GOOD = "D|||D|||True\n未成功回答|||AC\n|||False\nA|||B|||False\n"


def test_a_label_with_a_line_break_is_one_record(tmp_path: Path) -> None:
    given = elsewhere.read_published_mmcu(
        folder(tmp_path, 心理=GOOD + "Average accuracy 0.333 - 心理\n")
    )
    assert [item.reference for item in given.benchmark.items] == ["D", "AC\n", "B"]
    assert [item.identifier for item in given.benchmark.items][1] == "mmcu-psychology-0002"
    assert given.answers == ("D", "未成功回答", "A")
    assert given.notes == ()
    score = given.benchmark.score
    assert score is not None
    reasons = [
        score(i, a).reason for i, a in zip(given.benchmark.items, given.answers, strict=True)
    ]
    assert reasons == ["answered D", "unparsed", "answered A"]


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("音乐", GOOD, "no subject of MMCU"),
        ("心理", "D|||D\n", "line 1: no record"),
        ("心理", GOOD + "and more\n", "line 5: no record"),
        ("心理", "D|||A|||True\n", "line 1: True stands beside 'D' and 'A'"),
        ("心理", "", "holds no record"),
        ("心理", GOOD + "Average accuracy 0.334 - 心理\n", "states an average of 0.334"),
        ("病理学176题", GOOD, "holds 3 records, its name says 176"),
    ],
)
def test_what_is_no_published_file_is_refused(
    tmp_path: Path, name: str, text: str, part: str
) -> None:
    with pytest.raises(DataError) as caught:
        elsewhere.read_published_mmcu(folder(tmp_path, **{name: text}))
    assert part in str(caught.value)
    assert name in str(caught.value)
