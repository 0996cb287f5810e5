"""What a reader returns: the examples of a file, and the records that are none.

Owns: the form of a reader's result, and going through a file once. Knows nothing of fields.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunegrid.data.example import Example, Exchange
from tunegrid.data.json_records import Record, RepeatedKeys
from tunegrid.data.tables import BadRow


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that is no example: its number and line in the file, why, and its beginning."""

    position: int
    line: int
    """0 where the file has no lines."""
    reason: str
    excerpt: str

    @property
    def place(self) -> str:
        """Where the record stands, in words."""
        return (
            f"line {self.line}, record {self.position}"
            if self.line
            else (f"record {self.position}")
        )


@dataclass(slots=True)
class Reading:
    """What one file holds: its examples and its rejected records, in the file's order."""

    examples: list[Example]
    rejected: list[Rejection]
    form: str = field(default="", compare=False)
    """What was recognised, in words: the form of the file, and which fields are read."""
    records: int = field(default=0, compare=False)
    """Records of the file; one may hold several examples."""


@dataclass(frozen=True, slots=True)
class Texts:
    """An example without its place: what a reader makes of a record."""

    instruction: str
    input: str
    output: str
    earlier: tuple[Exchange, ...] = ()
    is_document: bool = False
    """Whether it is raw text, which has no instruction."""


Convert = Callable[[Any], Texts | Sequence[Texts] | str]
"""Makes the examples of a record's value, or says why there are none."""


def collected(path: Path, rows: Iterable[Record], convert: Convert, form: str) -> Reading:
    """Return the reading of a file.

    Args:
        path: gives the examples' source.
        rows: the records.
        convert: takes a record's value, which is an object.
        form: what was recognised.
    """
    reading = Reading([], [], form)
    for record in rows:
        reading.records += 1
        found = _converted(record.value, convert)
        if isinstance(found, str):
            reading.rejected.append(Rejection(record.position, record.line, found, record.excerpt))
            continue
        for one in [found] if isinstance(found, Texts) else found:
            reading.examples.append(
                Example(
                    one.instruction, one.input, one.output, path.name, record.position, one.earlier
                )
            )
    return reading


_INVISIBLE = "\u115f\u1160\u2800\u3164\ufe0e\ufe0f\uffa0"
"""Fillers, the empty Braille pattern and variation selectors, which Unicode counts as visible."""


def _converted(value: Any, convert: Convert) -> Texts | Sequence[Texts] | str:
    if isinstance(value, BadRow):
        return value.problem
    if isinstance(value, RepeatedKeys):
        return "a field stands twice"
    found = convert(value)
    if isinstance(found, str):
        return found
    texts = [found] if isinstance(found, Texts) else found
    for one in texts:
        problem = unusable(one)
        if problem is not None:
            return problem
    return found if texts else "no exchange of question and answer"


def unusable(texts: Texts) -> str | None:
    """Return why texts make no example, None when they do."""
    every = (texts.instruction, texts.input, texts.output, *(t for e in texts.earlier for t in e))
    if not all(map(is_unicode, every)):
        return "a text holds half of a surrogate pair"
    if is_blank(texts.output) or any(is_blank(answer) for _, answer in texts.earlier):
        return "empty text" if texts.is_document else "empty output"
    if not texts.is_document and is_blank(texts.instruction) and is_blank(texts.input):
        return "empty instruction and input"
    return None


def is_blank(text: str) -> bool:
    """Return whether nothing of a text can be seen: white space, zero-width and control characters.

    A zero-width space alone is what web pages leave of an empty field.
    """
    return all(
        one.isspace() or unicodedata.category(one) in ("Cf", "Cc") or one in _INVISIBLE
        for one in text
    )


def is_unicode(text: str) -> bool:
    """Return whether UTF-8 can hold the text; half of a pair of JSON escapes it cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def kind(value: Any) -> str:
    """Return what a value that is no text is, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"
