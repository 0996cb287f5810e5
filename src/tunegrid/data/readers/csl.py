"""Reads CSL's tasks: a table without a header, of task, text and target.

Owns: the instructions of the four tasks. One row of csl/title/dev.tsv:

    to title <tab> 采用修正的Rodrigues参数… <tab> 一种基于平方和优化的…

gives `Example("to title", "采用修正的Rodrigues参数…", "一种基于平方和优化的…", …)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunegrid.data import records
from tunegrid.data.json_records import Record
from tunegrid.data.mapping import Fields
from tunegrid.data.reading import Reading, Texts, collected

TASKS = ("to title", "to keywords", "to category", "to discipline")
COLUMNS = ("prompt", "text", "target")
FIELDS = Fields(*COLUMNS)
ALPACA = Fields("instruction", "input", "output")


def read(path: Path) -> Reading:
    """Return the examples of a CSL table.

    Raises:
        DataError: the file cannot be read as a table.
    """
    path = Path(path)
    found = records.read(path, COLUMNS)
    return collected(path, found.rows, FIELDS.texts, f"{found.form} of CSL; {FIELDS}")


def linly(path: Path) -> Reading:
    """Return the examples of Linly's export, whose instruction is often empty.

    The input is the instruction then: `{"instruction": "", "input": "…", "output": "…"}`.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    found = records.read(path)

    def texts(value: Any) -> Texts | str:
        one = ALPACA.texts(value)
        if isinstance(one, str) or one.instruction.strip():
            return one
        return Texts(one.input, "", one.output)

    return collected(
        path, found.rows, texts, f"{found.form}; {ALPACA}, the input where it is alone"
    )


def is_csl(head: Sequence[Record]) -> bool:
    """Return whether every first row begins with one of CSL's tasks and has three fields."""
    rows = [list(record.value.values()) for record in head if isinstance(record.value, dict)]
    return bool(rows) and all(len(row) == len(COLUMNS) and row[0] in TASKS for row in rows)
