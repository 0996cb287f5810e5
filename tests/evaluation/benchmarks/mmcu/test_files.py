"""Workbooks and JSON records become items; what is neither is refused with its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tunegrid.config.errors import DataError
from tunegrid.evaluation.benchmark import Item
from tunegrid.evaluation.benchmarks.mmcu import benchmark as mmcu

HEADER = ["题目", "A", "B", "C", "D", "答案"]


ORGAN = ["人体最大的器官是（）", "心脏", "肝脏", "皮肤", "肺", "C"]


FLAT = {
    "类别": "心理",
    "题目": "意识是什么？",
    "选项": "A:家庭\nB:大学\nC:杂志\nD:意识",
    "答案": "D",
}


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


def flat(folder: Path, *records: object) -> Path:
    path = folder / "mmcu.json"
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return path


def test_one_record_of_the_studys_form_gives_one_item(tmp_path: Path) -> None:
    found = mmcu.read(flat(tmp_path, FLAT))
    assert found.items == (
        Item(
            "mmcu-psychology-0001",
            "psychology",
            "请阅读以下选择题并给出正确选项，不要解释原因。\n意识是什么？\n"
            "A:家庭\nB:大学\nC:杂志\nD:意识\n正确答案的序号是：",
            "multiple_choice",
            "D",
            None,
        ),
    )
    assert (found.needs_judge, found.metric) == (False, "accuracy")


def test_one_row_of_a_workbook_gives_the_same_form(tmp_path: Path) -> None:
    found = mmcu.read(workbook(tmp_path, "教育_生物", Sheet1=[HEADER, ORGAN]))
    (item,) = found.items
    assert item == Item(
        "mmcu-education-生物-0001",
        "education",
        mmcu.question_text("人体最大的器官是（）", "A:心脏\nB:肝脏\nC:皮肤\nD:肺"),
        "multiple_choice",
        "C",
        "生物",
    )


def test_the_folder_of_the_authors(tmp_path: Path) -> None:
    workbook(tmp_path, "心理", Sheet1=[HEADER, ORGAN, [], ORGAN], Sheet2=[], Sheet3=[[None, " "]])
    workbook(tmp_path, "教育_化学", Sheet1=[HEADER, ORGAN])
    workbook(tmp_path, "法律", Sheet1=[HEADER, ORGAN, ORGAN])
    workbook(tmp_path, "医疗", 临床医学101题=[HEADER, ORGAN], 儿科学213题=[HEADER, ORGAN, ORGAN])
    (tmp_path / "test" / "~$法律.xlsx").write_bytes(b"lock of an open editor")
    (tmp_path / "dev").mkdir()
    found = mmcu.read(tmp_path)
    assert [item.identifier for item in found.items] == [
        "mmcu-medicine-临床医学-0001",
        "mmcu-medicine-儿科学-0001",
        "mmcu-medicine-儿科学-0002",
        "mmcu-law-0001",
        "mmcu-law-0002",
        "mmcu-psychology-0001",
        "mmcu-psychology-0003",
        "mmcu-education-化学-0001",
    ]
    assert mmcu.read(tmp_path / "test").items == found.items
    assert mmcu.read(tmp_path / "test" / "法律.xlsx").items == found.items[3:5]
    workbook(tmp_path, "教育_化学", Sheet1=[HEADER, ORGAN, ORGAN])
    assert mmcu.read(tmp_path).sha256 != found.sha256


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        (["A、DNA", "B．RNA", "C:ABC", "Ｄ.D"], "A:DNA\nB:RNA\nC:ABC\nD:D"),
        (["(A) 甲", "（B）、乙", "C 、丙", "D,丁"], "A:甲\nB:乙\nC:丙\nD:丁"),
        (["A、甲", "B、乙", "C、丙", "丁"], "A:A、甲\nB:B、乙\nC:C、丙\nD:丁"),
        (["A型血", "B型血", "AB型血", "O型血"], "A:A型血\nB:B型血\nC:AB型血\nD:O型血"),
        ([1, 2.5, 0, " x "], "A:1\nB:2.5\nC:0\nD:x"),
        (["对", "错", None, None], "A:对\nB:错"),
        (["甲", None, "丙", ""], "A:甲\nC:丙"),
        (["A、", "B、", "C、", "D、"], "A:A、\nB:B、\nC:C、\nD:D、"),
    ],
)
def test_options_lose_their_labels_and_nothing_else(
    tmp_path: Path, cells: list[object], options: str
) -> None:
    found = mmcu.read(workbook(tmp_path, "法律", Sheet1=[HEADER, ["题", *cells, "A"]]))
    assert found.items[0].question == mmcu.question_text("题", options)


@pytest.mark.parametrize(
    ("row", "part"),
    [
        (["", "1", "2", "3", "4", "A"], "the question is empty"),
        (["题", "1", "2", "3", "4", "E"], "'E' is not among the options ABCD"),
        (["题", "1", "2", "3", None, "AD"], "'AD' is not among the options ABC"),
        (["题", "1", "2", "3", "4", "3"], "'3' is not among"),
        (["题", "1", "2", "3", "4", "AB和C"], "is not among"),
        (["题", "1", "2", "3", "4", None], "the answer is empty"),
        (["题", "1", None, None, None, "A"], "1 options found"),
    ],
)
def test_bad_rows_are_all_named_with_file_sheet_and_row(
    tmp_path: Path, row: list[object], part: str
) -> None:
    folder = workbook(tmp_path, "法律", 表=[HEADER, ORGAN, row, ORGAN, row])
    with pytest.raises(DataError) as caught:
        mmcu.read(folder)
    message = str(caught.value)
    assert "2 problems" in message
    assert "法律.xlsx, sheet '表', row 3 (mmcu-law-0002): " in message
    assert "row 5" in message
    assert part in message


@pytest.mark.parametrize(
    ("name", "sheets", "part"),
    [
        ("物理", {"S": [HEADER, ORGAN]}, "unknown subject '物理'"),
        ("法律", {"S": [HEADER, ORGAN], "T": [HEADER, ORGAN]}, "2 sheets hold text (S, T)"),
        # Headers are read: a question is none.
        ("法律", {"S": [ORGAN, ORGAN]}, "column A ('人体最大的器官是（）') is not understood"),
        ("法律", {"S": [["题目", "答案"], ["题", "A"]]}, "0 columns are options"),
        ("法律", {"S": [[], ["题", "A"]]}, "2 columns hold text"),
        ("法律", {"S": []}, "no sheet holds a question"),
        ("法律", {"S": [HEADER]}, "holds no question"),
    ],
)
def test_what_is_no_workbook_of_mmcu_is_refused(
    tmp_path: Path, name: str, sheets: dict[str, Any], part: str
) -> None:
    with pytest.raises(DataError) as caught:
        mmcu.read(workbook(tmp_path, name, **sheets))
    assert part in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a workbook", b"PK\x03\x04 cut"])
def test_a_broken_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "法律.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=r"法律\.xlsx is no readable \.xlsx"):
        mmcu.read(tmp_path)


@pytest.mark.parametrize(
    ("record", "part"),
    [
        ("text", "not an object"),
        ({"题目": "t"}, "no text in '类别'"),
        (FLAT | {"答案": ["D"]}, "no text in '答案'"),
        (FLAT | {"类别": "音乐"}, "unknown subject '音乐'"),
        (FLAT | {"选项": "家庭 大学"}, "0 options found"),
        (FLAT | {"选项": "A:1\nA:2"}, "labelled AA"),
        (FLAT | {"答案": ""}, "is empty"),
    ],
)
def test_a_bad_record_is_refused_with_its_line(tmp_path: Path, record: object, part: str) -> None:
    with pytest.raises(DataError) as caught:
        mmcu.read(flat(tmp_path, FLAT, record))
    assert "record 2" in str(caught.value)
    assert part in str(caught.value)


def test_a_missing_path_says_where_the_set_is_from(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError, match=r"CC BY-NC-SA 4\.0.*eval\.benchmarks\.mmcu\.path="):
            mmcu.read(path)


def test_two_layouts_in_one_folder_are_refused(tmp_path: Path) -> None:
    workbook(tmp_path, "法律", Sheet1=[HEADER, ORGAN])
    flat(tmp_path, FLAT).rename(tmp_path / "test.json")
    with pytest.raises(DataError, match="name one of them"):
        mmcu.read(tmp_path)
