r"""Reads the tables of chain of thought that FLAN gathered: question, answer, reasons.

Owns: how the three become an example, and telling such a table by its rows. The files have no
header, and a line end within a text stands as a backslash and an n. One row of gsm8k_train.tsv:

    Natalia sold clips to 48 of her friends in April, … <tab> 72 <tab> Natalia sold 48 / 2 = …

gives `Example("Natalia sold clips to 48 …", "", "Natalia sold 48 / 2 = …\nThe answer is 72.", …)`.
FLAN draws one of many wordings for each row; here it is one for all, so that a file is read in one
way (docs/decisions/053).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.data import records
from tunegrid.data.json_records import Record
from tunegrid.data.mapping import Fields
from tunegrid.data.reading import Reading, Texts, collected, is_blank, kind

COLUMNS = ("question", "answer", "chain_of_thought")
LONGEST_ANSWER = 40
"""Characters of an answer in a table that is recognised."""
SHARE = 0.9
"""Of the first rows that must look like it."""


def read(path: Path) -> Reading:
    """Return the examples of a table of question, answer and reasons.

    Raises:
        DataError: the file cannot be read as a table.
    """
    path = Path(path)
    found = records.read(path, COLUMNS)
    form = f"{found.form} without header; question, answer, chain of thought"
    return collected(path, found.rows, _texts, form)


def auto(path: Path) -> Reading:
    """Return the examples of Auto-CoT: `question`, `rationale` and `pred_ans`, or `answer`.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    found = records.read(path)

    def texts(value: Any) -> Texts | str:
        if not isinstance(value, dict):
            return "not an object"
        answer = "pred_ans" if "pred_ans" in value else "answer"
        one = Fields("question", "rationale", answer).texts(value)
        if isinstance(one, str):
            return one
        if not one.input.strip():
            return "no 'rationale'"
        return Texts(one.instruction, "", f"{one.input}\nThe answer is {one.output}.")

    return collected(path, found.rows, texts, f"{found.form}; question, rationale, answer")


def recognised(path: Path, head: Sequence[Record]) -> Reading:
    """Return the examples of a table without a header that looks like chain of thought.

    Raises:
        DataError: it does not.
    """
    rows = [list(record.value.values()) for record in head if isinstance(record.value, dict)]
    like = [
        row
        for row in rows
        if len(row) == len(COLUMNS)
        and 0 < len(row[1]) <= LONGEST_ANSWER
        and len(row[1]) < len(row[2])
    ]
    if not rows or len(like) < SHARE * len(rows):
        count = len(rows[0]) if rows else 0
        raise DataError(
            f"{path}: a table of {count} columns whose first row names none of them, and not of a "
            "known form: (1) question, a short answer, reasons; (2) CSL's task, text, target. Give "
            "it a header, such as instruction, input, output separated as the rows are"
        )
    return read(path)


def _texts(value: Any) -> Texts | str:
    if not isinstance(value, dict):
        return f"a row is {kind(value)}"
    question, answer, reasons = (value[name].replace("\\n", "\n") for name in COLUMNS)
    if is_blank(answer) or is_blank(reasons):
        return "empty output"
    return Texts(question, "", f"{reasons}\nThe answer is {answer}.")
