"""CSL's tasks."""

from __future__ import annotations

from pathlib import Path

from tunegrid.data.example import Example
from tunegrid.data.readers.csl import read
from tunegrid.data.readers.instructions import read as read_any


def test_one_raw_row_and_its_example(tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_text("to title\t采用修正的参数,建立了模型.\t一种设计方法\n", encoding="utf-8")
    expected = [Example("to title", "采用修正的参数,建立了模型.", "一种设计方法", "dev.tsv", 1)]
    assert read(path).examples == expected
    assert read_any(path).examples == expected
