"""Layouts of workbooks: read by their headers, or refused with sheet and columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest

from tunegrid.config.errors import DataError
from tunegrid.evaluation.benchmarks.mmcu import benchmark as mmcu
from tunegrid.evaluation.benchmarks.mmcu.columns import columns

ROW = {
    "序号": "1", "题目": "人体最大的器官是（）", "A": "心脏", "B": "肝脏", "C": "皮肤", "D": "肺",
    "答案": "C", "解析": "皮肤面积最大", "": "",
}  # fmt: skip
SAME = mmcu.question_text(ROW["题目"], "A:心脏\nB:肝脏\nC:皮肤\nD:肺")


def sheet(folder: Path, *rows: Sequence[str]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "表"
    for row in rows:
        book.active.append(list(row))
    book.save(folder / "法律.xlsx")
    return folder / "法律.xlsx"


@pytest.mark.parametrize(
    ("headers", "meant"),
    [
        (["题目", "A", "B", "C", "D", "答案"], "题目 A B C D 答案"),
        (["序号", "题目", "A", "B", "C", "D", "答案"], "序号 题目 A B C D 答案"),
        (["题目", "D", "C", "B", "A", "答案"], "题目 D C B A 答案"),
        (["答案", "题目", "A", "B", "C", "D"], "答案 题目 A B C D"),
        (["题干", "选项A", "选项B", "选项C", "选项D", "正确答案"], "题目 A B C D 答案"),
        (["Question", "Option A", "option b", "C.", "D：", "Answer"], "题目 A B C D 答案"),
        (["题目", "Ａ", "Ｂ", "Ｃ", "Ｄ", "答案", "解析"], "题目 A B C D 答案 解析"),
        ([" 题 目 ", "A选项", "B选项", "C选项", "D选项", "参考答案"], "题目 A B C D 答案"),
        (["编号", "A", "C", "B", "D", "标准答案", "题目"], "序号 A C B D 答案 题目"),
        (["No.", "题目", "", "A", "B", "C", "D", "答案"], "序号 题目 - A B C D 答案"),
        (["", "", "", "", "", ""], "题目 A B C D 答案"),
    ],
)
def test_each_layout_asks_the_same(tmp_path: Path, headers: list[str], meant: str) -> None:
    row = [ROW["" if name == "-" else name] for name in meant.split(" ")]
    found = mmcu.read(sheet(tmp_path, headers, row))
    assert [(item.question, item.reference) for item in found.items] == [(SAME, "C")]


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        (["题目", "A", "B", "C", "D", "得分"], ["column F ('得分')", "no column is the answer"]),
        (["", "题目", "A", "B", "C", "答案"], ["column A (without a header)"]),
        (["题目", "A", "B", "B", "D", "答案"], ["columns C ('B') and D ('B') are the same"]),
        (["题目", "A", "B", "C", "答案", "正确答案"], ["columns E ('答案') and F ('正确答案')"]),
        (["题目", "选项1", "选项2", "选项3", "选项4", "答案"], ["column B ('选项1')", "column E"]),
        (["序号", "A", "B", "C", "D", "答案"], ["no column is the question"]),
        (["题目", "A", "编号", "解析", "备注", "答案"], ["1 columns are options"]),
        (["法律试题", "", "", "", "", ""], ["column A ('法律试题')", "column F (without"]),
    ],
)
def test_what_is_not_understood_is_refused_with_its_columns(
    tmp_path: Path, headers: list[str], parts: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        mmcu.read(sheet(tmp_path, headers, ["1", "2", "3", "4", "5", "A"]))
    message = str(caught.value)
    assert all(part in message for part in ["sheet '表', row 1", "accepted are", *parts]), message


def test_a_column_that_holds_nothing_is_no_column() -> None:
    rows = [["题目", "", "A", "B", "答案", ""], ["题", "", "1", "2", "B", ""]]
    found = columns("here", rows)
    assert (found.question, found.options, found.answer) == (0, (("A", 2), ("B", 3)), 4)
