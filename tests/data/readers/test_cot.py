"""Tables of chain of thought."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.config.errors import DataError
from tunegrid.data.example import Example
from tunegrid.data.readers.cot import read
from tunegrid.data.readers.instructions import read as read_any

ROW = "How many?\\nOptions:\\n(A) 1\\n(B) 2\t(B)\tTwo are left, so it is 2.\n"


def test_one_raw_row_and_its_example(tmp_path: Path) -> None:
    path = tmp_path / "aqua_train.tsv"
    path.write_text(ROW, encoding="utf-8")
    expected = [
        Example(
            "How many?\nOptions:\n(A) 1\n(B) 2",
            "",
            "Two are left, so it is 2.\nThe answer is (B).",
            "aqua_train.tsv",
            1,
        )
    ]
    assert read(path).examples == expected
    assert read_any(path).examples == expected


def test_a_table_that_does_not_look_like_it_is_read_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("A question?\ta long answer, with many words and reasons in it\tno\n", "utf-8")
    with pytest.raises(DataError, match=r"question, a short answer, reasons; \(2\) CSL"):
        read_any(path)
    assert len(read(path).examples) == 1
