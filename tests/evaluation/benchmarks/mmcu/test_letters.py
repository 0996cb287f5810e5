"""Labels and answers become sets of letters by the authors' rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tunegrid.evaluation.benchmark import Benchmark, ItemScore
from tunegrid.evaluation.benchmarks.mmcu import benchmark as mmcu

HEADER = ["题目", "A", "B", "C", "D", "答案"]


ORGAN = ["人体最大的器官是（）", "心脏", "肝脏", "皮肤", "肺", "C"]


def workbook(folder: Path, name: str, **sheets: Sequence[Sequence[Any]]) -> Path:
    """Write <folder>/test/<name>.xlsx with the given rows and return the folder."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    (folder / "test").mkdir(parents=True, exist_ok=True)
    book.save(folder / "test" / f"{name}.xlsx")
    return folder


def answered(benchmark: Benchmark, *answers: str) -> list[ItemScore]:
    assert benchmark.score is not None
    return [benchmark.score(i, a) for i, a in zip(benchmark.items, answers, strict=True)]


def value(found: Benchmark, answer: str) -> float | None:
    return answered(found, answer)[0].value


LABELS = [
    ("C", "C"),
    ("BA", "AB"),
    ("Ａ，C\n", "AC"),
    ("D\u3000", "D"),
    ("c", "C"),
    ("A, B 、D", "ABD"),
    ("AC\n", "AC"),
    ("ＡＢ", "AB"),
]


@pytest.mark.parametrize(("label", "reference"), LABELS)
def test_labels_are_normalised(tmp_path: Path, label: str, reference: str) -> None:
    found = mmcu.read(workbook(tmp_path, "法律", Sheet1=[HEADER, [*ORGAN[:-1], label]]))
    assert found.items[0].reference == reference
    assert value(found, reference[::-1]) == 1.0


REPLIES = [
    ("C", "C"),
    ("正确答案的序号是：C", "C"),
    ("A、C。", "AC"),
    ("C, A", "C"),
    ("A.B.C", "ABC"),
    ("答案是AAB或者C", "C"),
    ("ＡＢ", "AB"),
    ("选a", None),
    ("皮肤", None),
    ("E", None),
    ("AI认为选C", "A"),
    ("ABCDA", "ABCD"),
]


@pytest.mark.parametrize(("reply", "letters"), REPLIES)
def test_extraction_follows_the_authors_rule(reply: str, letters: str | None) -> None:
    assert mmcu.extract(reply) == letters
