"""Tables of records, read one row at a time: CSV, TSV and Parquet.

Owns: rows to records, and what is wrong with a row. Knows nothing of what the columns mean. CSV is
quoted as RFC 4180 says, and a field may go over lines; TSV has no quotes, one row is one line:

    department,title,ask,answer
    心血管科,高血压患者能吃党参吗？,我有高血压…,高血压病人可以口服党参的。…
"""

from __future__ import annotations

import codecs
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.data.content import encoding_of, not_utf8, opened
from tunegrid.data.json_records import Record, shortened

CHUNK_BYTES = 1 << 20
PARQUET_ROWS = 256
"""Decoded at once."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """What stands in a record's place where a row has not as many fields as the header."""

    problem: str


def read_parquet(path: Path) -> Iterator[Record]:
    """Yield the rows of a Parquet file as records without lines.

    Raises:
        DataError: the file is damaged, or compressed as a whole.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            position = 0
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                for row in batch.to_pylist():
                    position += 1
                    yield Record(position, 0, row, shortened(str(row)[:1000]))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({shortened(str(error))}). Fetch it again; a "
            "Parquet file is compressed within, not as a whole"
        ) from error
    if position == 0:
        raise DataError(f"{path}: the Parquet file holds no row; give a file with examples")


def read_table(
    path: Path, *, separator: str, columns: Sequence[str] | None = None
) -> Iterator[Record]:
    """Yield the rows of a CSV or TSV file as records.

    Args:
        path: in UTF-8, or in GB18030 where its beginning is Chinese in that encoding.
        separator: a comma or a tab.
        columns: the names of the columns; None takes them from the first row.

    Raises:
        DataError: the text is in another encoding, a quote is not closed, or the header is no
            list of different names.
    """
    lines = Lines(path, encoding_of(path))
    rows = _tsv_rows(lines) if separator == "\t" else _csv_rows(lines)
    names = list(columns) if columns is not None else _header(path, rows)
    position = 0
    for line, row in rows:
        if not row:
            continue
        position += 1
        excerpt = shortened(separator.join(row)[:1000])
        if len(row) == len(names):
            yield Record(position, line, dict(zip(names, row, strict=True)), excerpt)
        else:
            problem = f"a row of {len(row)} fields, not of {len(names)}"
            yield Record(position, line, BadRow(problem), excerpt)
    if position == 0:
        raise DataError(f"{path}: the table holds no row under its header; give another file")


class Lines:
    """The lines of a text file with their numbers, each with its end."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self.number = 0
        self.encoding = encoding
        self._lines = self._read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        if "\0" in line:
            raise DataError(
                f"{self.path}, line {self.number}: a NUL byte stands in the text "
                f"({shortened(line, 60)!r}). Remove it: tr -d '\\000' < {self.path.name}"
            )
        return line

    def _read(self) -> Iterator[str]:
        stream = opened(self.path).stream
        decoder = codecs.getincrementaldecoder(self.encoding)()
        rest, is_last = "", False
        while not is_last:
            raw = stream.read(CHUNK_BYTES)
            is_last = not raw
            try:
                text = rest + decoder.decode(raw, final=is_last)
            except UnicodeDecodeError as error:
                before = rest + error.object[: error.start].decode(self.encoding, "replace")
                line = self.number + 1 + before.count("\n")
                if self.encoding == "utf-8-sig":
                    raise not_utf8(self.path, line, error) from error
                raise DataError(
                    f"{self.path}, line {line}: neither UTF-8 nor {self.encoding.upper()}, which "
                    "the beginning is in; convert the file to UTF-8"
                ) from error
            whole = io.StringIO(text, newline="\n").readlines()
            rest = whole.pop() if whole and not whole[-1].endswith("\n") and not is_last else ""
            yield from whole
        stream.close()


def _tsv_rows(lines: Lines) -> Iterator[tuple[int, list[str]]]:
    for line in lines:
        text = line.rstrip("\r\n")
        yield lines.number, text.split("\t") if text.strip() else []


def _csv_rows(lines: Lines) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(lines, strict=True)
    while True:
        begin = lines.number + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{lines.path}, line {begin}: not CSV ({error}). Accepted: fields with commas, "
                'quotes or line ends stand in double quotes, a quote in them twice ("")'
            ) from error
        if row is None:
            return
        yield begin, row


def _header(path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    names: list[Any] = next(rows, (1, []))[1]
    if len(set(names)) < len(names) or "" in names:
        raise DataError(
            f"{path}, line 1: the header is {shortened(','.join(names))!r}; every column needs a "
            "name of its own"
        )
    return names
