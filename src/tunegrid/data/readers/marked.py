r"""Reads conversations that stand in one text, each turn behind a marker.

Owns: what its options name. Texts are split because the collection's YAML says that they hold
markers, never because a text happens to contain one. One record of baize's quora_chat_data.json:

    {"topic": "…", "input": "The conversation between human and AI assistant.\n[|Human|] Why? …"}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.data import records
from tunegrid.data.mapping import ABSENT, conversation, field_of
from tunegrid.data.reading import Reading, Texts, collected, kind
from tunegrid.data.tagged import split, without


def read(
    path: Path,
    *,
    user_marker: str,
    assistant_marker: str,
    text_key: str = "text",
    answer_key: str | None = None,
    removed: Sequence[str] = (),
) -> Reading:
    """Return the conversations of a file.

    Args:
        path: JSON, JSON lines, CSV, TSV or Parquet.
        user_marker: in front of a question.
        assistant_marker: in front of an answer.
        text_key: the field with the conversation.
        answer_key: a field with the last answer, where the conversation ends with its marker, as
            BELLE's dialogues do.
        removed: what may stand at the end of a turn and is no part of it, such as `<eoh>`.

    Raises:
        ConfigError: a marker is empty, or both are the same.
        DataError: the file cannot be read.
    """
    markers = {user_marker: "user", assistant_marker: "assistant"}
    if "" in markers or len(markers) < 2:
        raise ConfigError(
            f"user_marker is {user_marker!r} and assistant_marker {assistant_marker!r}; give two "
            "different texts"
        )

    def texts(value: Any) -> Texts | str:
        if not isinstance(value, dict):
            return "not an object"
        fields = {}
        for key in (text_key, answer_key):
            text = "" if key is None else field_of(value, key)
            if text is ABSENT:
                return f"no field '{key}'"
            if not isinstance(text, str):
                return f"'{key}' is {kind(text)}, not a text"
            fields[key] = text
        said = split(fields[text_key], markers)
        if isinstance(said, str):
            return said
        said = [(role, without(text, "", removed)) for role, text in said]
        if answer_key is not None:
            if said[-1] != ("assistant", ""):
                return f"'{text_key}' does not end with {assistant_marker!r}"
            said[-1] = ("assistant", fields[answer_key])
        elif said[-1][1] == "":
            said.pop()  # a marker at the end, behind which nobody speaks
        return conversation(said)

    path = Path(path)
    found = records.read(path)
    form = f"{found.form}; {text_key} split at {user_marker!r} and {assistant_marker!r}"
    return collected(path, found.rows, texts, form)
