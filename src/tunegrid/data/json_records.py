"""JSON files of records, read one record at a time with the line each stands on.

Owns: finding the records of a JSON array, of an array that an object wraps, of JSON lines or of
JSON values that follow one another, and saying where a broken one is. Knows nothing of what the
records mean.

A file is read in chunks, because a text with one emoji takes four bytes a character in memory:
a collection of 1 GB would take 5 GB if it were read whole. One such array:

    [
      {"instruction": "给出三个保持健康的建议。", "input": "", "output": "1. 均衡饮食…"},
      …
    ]
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tunegrid.config.errors import DataError
from tunegrid.data.content import not_utf8, opened
from tunegrid.data.json_wrappers import OTHER_PARTS, WRAPPING_KEYS, Wrapper, wrapper_in

CHUNK_BYTES = 1 << 20
EXCERPT_CHARACTERS = 160
LONGEST_WHOLE_NUMBER = 300
"""Digits; a longer one becomes a float."""
HEAD_CHARACTERS = 1 << 16
"""Looked at to tell an object that wraps records from a record."""

_SPACE = re.compile(r"[ \t\n\r]*")
# An error this close to the end of what was read may be a value cut in two ("-Infinity", an
# escape such as \ud83d\ude00); further from it, the text itself is broken.
_CUT_MARGIN = 32


class RepeatedKeys(dict[str, Any]):
    """A JSON object in which a key stands more than once; the last value is kept."""


@dataclass(frozen=True, slots=True)
class Record:
    """One value of a file: its number from 1, the line it begins on, itself and its text."""

    position: int
    line: int
    """0 where the file has no lines."""
    value: Any
    excerpt: str


def read_records(path: Path, *, whole_numbers: bool = False) -> Iterator[Record]:
    """Yield the records of a UTF-8 file that holds one JSON array or JSON values in sequence.

    A byte-order mark at the beginning is accepted. An object with a key given twice comes as
    `RepeatedKeys`.

    Args:
        path: of the file.
        whole_numbers: give 1 as an int, as far as one has it; otherwise every number is a float.

    Raises:
        DataError: the file is missing, unreadable, empty, not UTF-8 or not JSON; the message has
            line, column, the text found and the number of records that were fine before it.

    """
    yield from records_of(path, whole_numbers=whole_numbers)[1]


def records_of(path: Path, *, whole_numbers: bool = False) -> tuple[str, Iterator[Record]]:
    """Return the form of a JSON file (`JSON array`, ...), and its records.

    Raises:
        DataError: as `read_records` does; what stands behind the beginning is refused when it
            is reached.
    """
    text = _Text(path, _whole_number if whole_numbers else float)
    text.skip_space()
    if text.peek() == "[":
        text.advance(1)
        return "JSON array", _array(text, "JSON array")
    wrapper = text.wrapper() if text.peek() == "{" else None
    if wrapper is not None:
        return f"JSON array in {wrapper.key!r}", _wrapped(text, wrapper)
    return "JSON lines", _sequence(text)


def _whole_number(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_WHOLE_NUMBER else float(digits)


def read_whole(path: Path) -> Any:
    """Return the one value that a JSON file holds, wrapper or not.

    Raises:
        DataError: as `read_records` does, or several values stand in the file.
    """
    text = _Text(path, float)
    text.skip_space()
    if text.peek() == "":
        raise DataError(f"{path}: the file is empty; give one JSON object")
    value = text.record(1).value
    text.skip_space()
    if text.peek() != "":
        text.fail("more text follows the one value that is expected", 1)
    return value


def shortened(text: str, characters: int = EXCERPT_CHARACTERS) -> str:
    """Return `text` on one line, cut to `characters` with an ellipsis."""
    line = " ".join(text[: 2 * characters].split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def _array(text: _Text, form: str) -> Iterator[Record]:
    """Yield the records of an array, behind whose `[` the text stands, to the end of the file."""
    count = yield from _elements(text)
    if text.peek() != "":
        text.fail(f"more text follows the end of the {form}", count)
    if count == 0:
        raise DataError(f"{text.path}: the {form} holds no record; give a file with examples")


def _elements(text: _Text) -> Generator[Record, None, int]:
    """Yield the elements of an array, and return their number; the text is behind `]` then."""
    text.skip_space()
    position = 0
    closed = text.peek() == "]"
    while not closed:
        position += 1
        yield text.record(position)
        text.skip_space()
        mark = text.peek()
        if mark not in (",", "]"):
            found = "the file ends" if mark == "" else f"{mark!r} stands"
            text.fail(f"{found} where ',' or ']' is expected after record {position}", position)
        text.advance(1)
        text.skip_space()
        closed = mark == "]"
        if not closed and text.peek() == "]":
            text.fail(f"the array ends after a comma behind record {position}", position)
    if position == 0:
        text.advance(1)
        text.skip_space()
    return position


def _wrapped(text: _Text, wrapper: Wrapper) -> Iterator[Record]:
    """Yield the records of the array in an object; other fields of it are passed over."""
    text.go_to(wrapper.begin)
    count = yield from _elements(text)
    while text.peek() == ",":
        text.advance(1)
        text.skip_space()
        key = text.record(count + 1).value
        text.skip_space()
        if not isinstance(key, str) or text.peek() != ":":
            text.fail(f"a field of the object around {wrapper.key!r} is broken", count)
        if key in WRAPPING_KEYS or key in OTHER_PARTS:
            raise DataError(
                f"{text.path}: one object holds records under {wrapper.key!r} and under {key!r}. "
                "Accepted is one array; write each to a file of its own"
            )
        text.advance(1)
        text.skip_space()
        text.record(count + 1)
        text.skip_space()
    if text.peek() != "}":
        text.fail(f"the object around {wrapper.key!r} does not end", count)
    text.advance(1)
    text.skip_space()
    if text.peek() != "":
        text.fail(f"more text follows the object around {wrapper.key!r}", count)


def _sequence(text: _Text) -> Iterator[Record]:
    position = 0
    while text.peek() != "":
        if position and text.peek() == ",":
            text.fail(
                f"a comma follows record {position}, but no '[' begins the file "
                "(write one array in brackets, or records without commas)",
                position,
            )
        position += 1
        yield text.record(position)
        text.skip_space()
    if position == 0:
        raise DataError(
            f"{text.path}: the file is empty; give one JSON array of records or JSON lines"
        )


class _Text:
    """The decoded text of a file from a moving place on, with its line and column."""

    def __init__(self, path: Path, parse_int: Callable[[str], float]) -> None:
        self.path = path
        self._file = opened(path).stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        # CPython refuses an integer of more than 4,300 digits, and no reader takes a number for
        # a text.
        self._json = json.JSONDecoder(object_pairs_hook=_object, parse_int=parse_int)
        self._buffer = ""
        self._place = 0
        self._line = 1
        self._column = 1
        self._ended = False

    def peek(self) -> str:
        """Return the next character, or "" at the end of the file."""
        while self._place == len(self._buffer) and not self._ended:
            self._read_more()
        return self._buffer[self._place : self._place + 1]

    def advance(self, characters: int) -> None:
        """Move on, counting lines and columns."""
        end = self._place + characters
        self._line, self._column = self._position_at(end)
        self._place = end

    def wrapper(self) -> Wrapper | None:
        """Return the array of records in the object that begins here; None for a record."""
        while len(self._buffer) - self._place < HEAD_CHARACTERS and not self._ended:
            self._read_more()
        return wrapper_in(self._buffer, self._place)

    def go_to(self, place: int) -> None:
        """Move on to a place in what is held."""
        self.advance(place - self._place)

    def skip_space(self) -> None:
        """Move to the next character that is no white space, or to the end."""
        while True:
            match = _SPACE.match(self._buffer, self._place)
            self.advance((match.end() if match else self._place) - self._place)
            if self._place < len(self._buffer) or self._ended:
                return
            self._read_more()

    def record(self, position: int) -> Record:
        """Return the value that begins here and move behind it."""
        while True:
            try:
                value, end = self._json.raw_decode(self._buffer, self._place)
            except json.JSONDecodeError as error:
                if self._ended or not self._may_be_cut(error):
                    self._fail_at(error.pos, error.msg, position - 1)
            except RecursionError:
                self.fail("objects or arrays are nested too deeply", position - 1)
            else:
                # A number at the end of the buffer may go on in the next chunk.
                if end < len(self._buffer) or self._ended:
                    break
            self._read_more()
        excerpt = shortened(self._buffer[self._place : min(end, self._place + 1000)])
        found = Record(position, self._line, value, excerpt)
        self.advance(end - self._place)
        return found

    def fail(self, what: str, fine: int) -> NoReturn:
        """Raise DataError for what stands at the present place."""
        self._fail_at(self._place, what, fine)

    def _fail_at(self, index: int, what: str, fine: int) -> NoReturn:
        line, column = self._position_at(index)
        begin = max(self._place, index - 60)
        found = shortened(self._buffer[begin : index + 60], 120) or "the end of the file"
        what += _hint(self._buffer, index)
        raise DataError(
            f"{self.path}, line {line}, column {column}: not JSON: {what}. Found: {found}\n"
            f"Fine records before it: {fine:,} (this one begins on line {self._line}). "
            "Accepted: one JSON array of records, or JSON lines. Repair or remove that record; "
            "nothing was skipped"
        )

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        near_end = len(self._buffer) - error.pos < _CUT_MARGIN
        return near_end or error.msg.startswith("Unterminated string")

    def _position_at(self, index: int) -> tuple[int, int]:
        newlines = self._buffer.count("\n", self._place, index)
        if newlines == 0:
            return self._line, self._column + index - self._place
        return self._line + newlines, index - self._buffer.rfind("\n", self._place, index)

    def _read_more(self) -> None:
        """Append a chunk as long as what is held, so that a long record costs linear time."""
        held = self._buffer[self._place :]
        raw = self._file.read(max(CHUNK_BYTES, len(held)))
        self._ended = not raw
        try:
            text = self._decoder.decode(raw, final=self._ended)
        except UnicodeDecodeError as error:
            self._fail_decoding(error, held)
        self._buffer, self._place = held + text, 0
        if self._ended:
            self._file.close()

    def _fail_decoding(self, error: UnicodeDecodeError, held: str) -> NoReturn:
        before = held + error.object[: error.start].decode("utf-8", "replace")
        raise not_utf8(self.path, self._line + before.count("\n"), error) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else RepeatedKeys(value)


def _hint(text: str, index: int) -> str:
    """Return what the text probably is, ready to end a sentence; "" where nothing is known."""
    if text[index : index + 1] == "\ufeff":
        return (
            " but a byte-order mark (bytes ef bb bf), as files that were joined have in their "
            "middle; remove it: sed -i 's/\\xEF\\xBB\\xBF//g'"
        )
    if text[index : index + 1] == "'" or text[index : index + 4] in ("None", "True", "Fals"):
        return (
            " (this is how Python prints a value, and no JSON: write it with json.dumps, or "
            "convert it with ast.literal_eval)"
        )
    return ""
