"""Rows of tables; what is refused stands in test_hostile_files.py."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tunegrid.data import tables
from tunegrid.data.readers.instructions import read
from tunegrid.data.tables import BadRow, read_table

ROWS = [("一,二", 'say "no"'), ("a\nb", "c"), (" x ", "y\r\nz")]


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
def test_quoted_fields_are_as_they_were_written(
    tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK_BYTES", chunk)
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("instruction", "output"), *ROWS])
    found = list(read_table(path, separator=","))
    assert [tuple(record.value.values()) for record in found] == ROWS
    assert [record.line for record in found] == [2, 3, 5]
    assert [record.position for record in found] == [1, 2, 3]


def test_a_row_of_another_length_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n\nc\td\te\n", encoding="utf-8")
    first, second = read_table(path, separator="\t", columns=("x", "y"))
    assert first.value == {"x": "a", "y": "b"}
    assert second.value == BadRow("a row of 3 fields, not of 2")
    assert second.line == 3


def test_parquet_gives_the_same_examples(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    parquet.write_table(
        pyarrow.table({"conversations": [turns] * 600, "id": list(range(600))}), path
    )
    found = read(path)
    assert (len(found.examples), found.records) == (600, 600)
    assert (found.examples[0].instruction, found.examples[0].output) == ("q", "a")
    assert found.form.startswith("Parquet; turns in conversations")
