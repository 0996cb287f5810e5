"""Reads conversations whose fields or roles have names of their own.

Owns: what its options name; the usual names are recognised by `instructions.read`. One record:

    {"talk": [{"who": "Patient", "said": "…"}, {"who": "Doctor", "said": "…"}]}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunegrid.data import records
from tunegrid.data.mapping import ASSISTANT_ROLES, SYSTEM_ROLES, USER_ROLES, Turns
from tunegrid.data.reading import Reading, collected


def read(
    path: Path,
    *,
    turns_key: str = "conversations",
    role_key: str = "from",
    text_key: str = "value",
    system_key: str | None = None,
    user_roles: Sequence[str] = USER_ROLES,
    assistant_roles: Sequence[str] = ASSISTANT_ROLES,
    system_roles: Sequence[str] = SYSTEM_ROLES,
) -> Reading:
    """Return the conversations of a file.

    Args:
        path: JSON, JSON lines or Parquet.
        turns_key: the field with the list of turns.
        role_key: the field of a turn that says who speaks.
        text_key: the field of a turn with what is said.
        system_key: a field of the record with a text in front of the first question.
        user_roles: who asks; compared without regard to case, as the next two.
        assistant_roles: whose turns are learned.
        system_roles: what stands in front of the first question.

    Raises:
        DataError: the file cannot be read.
    """
    mapping = Turns(
        turns_key, role_key, text_key, system_key, user_roles, assistant_roles, system_roles
    )
    path = Path(path)
    found = records.read(path)
    return collected(path, found.rows, mapping.texts, f"{found.form}; {mapping}")
