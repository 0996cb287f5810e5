"""Reads CAMEL's role-play: numbered messages of two models.

Owns: who asks. The problems of CAMEL's sciences need no reader: `message_1` is their instruction
and `message_2` their output. One record of ai_society:

    {"role_1": "…", "specified_task": "…", "message_1": {"role_type": "USER", "content": "…"},
     "message_2": {"role_type": "ASSISTANT", "content": "…"}, …}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunegrid.data import records
from tunegrid.data.mapping import conversation
from tunegrid.data.reading import Reading, Texts, collected, kind


def read(path: Path) -> Reading:
    """Return the conversations of a file.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    found = records.read(path)
    return collected(path, found.rows, _texts, f"{found.form}; CAMEL's numbered messages")


def _texts(value: Any) -> Texts | str:
    if not isinstance(value, dict):
        return "not an object"
    said = []
    for number in range(1, len(value) + 1):
        message = value.get(f"message_{number}")
        if message is None:
            break
        content = message.get("content") if isinstance(message, dict) else message
        if not isinstance(content, str):
            return f"'message_{number}' is {kind(message)} without a text"
        role = message.get("role_type") if isinstance(message, dict) else None
        is_user = number % 2 == 1 if role is None else role == "USER"
        said.append(("user" if is_user else "assistant", content))
    return conversation(said)
