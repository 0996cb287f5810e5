"""Workbooks are the same bytes each time."""

from pathlib import Path

from openpyxl import load_workbook

from tunegrid_miniature.workbooks import read_workbook, write_workbook


def test_workbook_has_a_header_row(assets: Path) -> None:
    sheet = load_workbook(assets / "mmcu" / "test" / "法律.xlsx").worksheets[0]
    assert [cell.value for cell in sheet[1]] == ["题目", "A", "B", "C", "D", "答案"]


def test_a_workbook_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    rows = {"药草学": [("问？", "一", "二", "三", "四", "AC")]}
    for name in ("first", "second"):
        write_workbook(tmp_path / f"{name}.xlsx", rows)
    first = (tmp_path / "first.xlsx").read_bytes()
    assert first == (tmp_path / "second.xlsx").read_bytes()
    assert b"2024-01-01T00:00:00Z</dcterms:modified>" in first
    assert read_workbook(tmp_path / "first.xlsx") == rows
