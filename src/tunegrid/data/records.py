"""Files of any form as records, one at a time.

Owns: choosing how a file is read, by its content alone: two files of one content are one file to a
cell's identity, so a name must not change what is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tunegrid.data.content import encoding_of, opened
from tunegrid.data.json_records import Record, records_of
from tunegrid.data.tables import Lines, read_parquet, read_table

TABLE_LINES = 20
"""Looked at to tell a table from other text."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file's separator, and its first row."""

    separator: str
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """The form of a file in words, and its records from the first on."""

    form: str
    rows: Iterator[Record]
    has_names: bool = True
    """Whether the file names its fields; a table without a header does not."""


def read(path: Path, columns: tuple[str, ...] | None = None) -> Records:
    """Return a file's records.

    Args:
        path: JSON, JSON lines, CSV, TSV or Parquet; the former four also as gzip or zstd.
        columns: names of a table's columns, for one without a header.

    Raises:
        DataError: the file cannot be read, or is none of these.
    """
    content = opened(path)
    content.stream.close()
    suffix = f" in {content.compression}" if content.compression else ""
    if content.is_parquet:
        return Records("Parquet", read_parquet(path))
    table = None if _is_json(content.head) else table_of(path)
    if table is None:
        form, rows = records_of(path)
        return Records(form + suffix, rows)
    name = "TSV" if table.separator == "\t" else "CSV"
    if encoding_of(path) == "gb18030":
        name += " in GB18030"
    has_names = columns is not None or is_header(table.first)
    if not has_names:
        columns = tuple(f"column {number}" for number in range(1, len(table.first) + 1))
    rows = read_table(path, separator=table.separator, columns=columns)
    return Records(name + suffix, rows, has_names)


def table_of(path: Path) -> Table | None:
    """Return the separator and the first row of a table; None for other text."""
    lines = []
    for line in Lines(path, encoding_of(path)):
        lines.append(line.rstrip("\r\n"))
        if len(lines) == TABLE_LINES:
            break
    if not lines:
        return None
    tabs = lines[0].count("\t")
    is_even = all(line.count("\t") == tabs for line in lines if line)
    if tabs and is_even:
        return Table("\t", tuple(lines[0].split("\t")))
    first = tuple(field.strip('"') for field in lines[0].split(","))
    return Table(",", first) if is_header(first) else None


def is_header(fields: tuple[str, ...]) -> bool:
    """Return whether a first row names columns: two or more short words, none of them twice."""
    return (
        len(fields) > 1
        and len(set(fields)) == len(fields)
        and all(0 < len(field) <= 40 and field.replace(" ", "_").isidentifier() for field in fields)
    )


def _is_json(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")
