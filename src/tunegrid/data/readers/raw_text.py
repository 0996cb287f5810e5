r"""Raw text for `train.objective=language_modeling`: documents without an instruction.

Owns: what a document is. A JSON file (or JSON lines, or Parquet) has one a record:

    {"text": "北京是中华人民共和国的首都。\n它位于华北平原的北部。"}

Any other file is plain text in UTF-8 or GB18030, one document a line, or one a paragraph.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.data import records
from tunegrid.data.content import encoding_of, opened
from tunegrid.data.json_records import Record, shortened
from tunegrid.data.reading import Reading, Texts, collected, is_blank, kind
from tunegrid.data.tables import Lines

SEPARATORS = ("line", "paragraph")


def read(path: Path, *, text_key: str = "text", separated_by: str = "line") -> Reading:
    """Return the documents of a file; each is an example without instruction.

    Args:
        path: JSON, JSON lines, Parquet or plain text; all but Parquet also compressed.
        text_key: the field that holds the text.
        separated_by: of plain text: `line`, or `paragraph` for documents between empty lines.

    Raises:
        ConfigError: `separated_by` is neither.
        DataError: the file cannot be read.
    """
    if separated_by not in SEPARATORS:
        raise ConfigError(f"separated_by is {separated_by!r}; accepted: {', '.join(SEPARATORS)}")
    path = Path(path)
    content = opened(path)
    content.stream.close()
    if content.is_parquet or content.head.lstrip()[:1] in (b"{", b"["):
        found = records.read(path)
        return collected(path, found.rows, _of_field(text_key), f"{found.form}; {text_key} as text")
    rows = _documents(path, separated_by)
    return collected(path, rows, _of_text, f"plain text, a document a {separated_by}")


def _of_field(name: str) -> Any:
    def convert(value: Any) -> Texts | str:
        if not isinstance(value, dict):
            return f"a record is {kind(value)}, not an object"
        text = value.get(name)
        if not isinstance(text, str):
            return f"'{name}' is {kind(text)}, not a text"
        return Texts("", "", text, is_document=True)

    return convert


def _of_text(value: str) -> Texts | str:
    return Texts("", "", value, is_document=True)


def _documents(path: Path, separated_by: str) -> Iterator[Record]:
    """Yield the documents of a plain text file; empty lines are none."""
    position = begun = 0
    kept: list[str] = []
    lines = Lines(path, encoding_of(path))
    for line in lines:
        if not is_blank(line):
            begun = begun if kept else lines.number
            kept.append(line.rstrip("\r\n"))
        if kept and (separated_by == "line" or is_blank(line)):
            position += 1
            yield _record(position, begun, kept)
            kept = []
    if kept:
        yield _record(position + 1, begun, kept)


def _record(position: int, line: int, kept: list[str]) -> Record:
    text = "\n".join(kept)
    return Record(position, line, text, shortened(text))
