"""Objects that wrap an array of records, such as `{"version": 1, "data": [{…}, {…}]}`.

Owns: telling a wrapper from a record by its beginning, so that neither is read whole. Knows nothing
of files.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

WRAPPING_KEYS = (
    "data", "demo", "example", "examples", "instances", "Instances", "items", "records", "rows",
    "samples", "train",
)  # fmt: skip
"""The fields under which published files hold their records."""
OTHER_PARTS = ("dev", "eval", "test", "valid", "validation")
"""Fields that hold further records beside those above."""

_TURN_KEYS = ("content", "from", "role", "speaker", "value")
"""An array of objects that begin with one of these is a conversation, and no file of records."""
_RECORD_KEYS = ("completion", "input", "instruction", "output", "prompt", "question", "response")
"""An object with one of these as a text is a record itself."""

_KEY = re.compile(r'[{,\s]*"((?:[^"\\]|\\.)*)"\s*:\s*')
_OBJECTS = re.compile(r'\[\s*\{\s*(?:"((?:[^"\\]|\\.)*)")?')


@dataclass(frozen=True, slots=True)
class Wrapper:
    """The field that holds the records, and where behind its `[` the first of them begins."""

    key: str
    begin: int


def wrapper_in(text: str, place: int) -> Wrapper | None:
    """Return the array of records of the object that begins at `place`; None for a record.

    Args:
        text: the beginning of a file; a wrapper whose array begins beyond it is not found.
        place: where its `{` stands.
    """
    decoder = json.JSONDecoder(parse_int=float)
    while True:
        match = _KEY.match(text, place)
        if match is None:
            return None
        key, place = match[1], match.end()
        objects = _OBJECTS.match(text, place)
        if objects is not None and key in WRAPPING_KEYS:
            return None if objects[1] in _TURN_KEYS else Wrapper(key, place + 1)
        try:
            value, place = decoder.raw_decode(text, place)
        except (json.JSONDecodeError, RecursionError):
            return None
        if key in _RECORD_KEYS and isinstance(value, str):
            return None
