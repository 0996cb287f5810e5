"""Conversations that are no list of turns with a role and a text.

Owns: conversations with markers in one text, MOSS's numbered turns, and lists of texts that
alternate. Knows nothing of files. A text is split at markers only where a reader was told that it
holds them: a question may well contain "Human:".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunegrid.data.mapping import ABSENT, conversation, field_of
from tunegrid.data.reading import Texts, kind

Said = list[tuple[str, str]]


def split(text: str, markers: dict[str, str]) -> Said | str:
    """Return who says what in a text with markers, or why it cannot be told.

    Args:
        text: such as "[|Human|] 你好 [|AI|] 您好".
        markers: for each marker `user`, `assistant` or "" for the end of a conversation. What
            stands before the first of them belongs to nobody.
    """
    pattern = re.compile("|".join(re.escape(one) for one in sorted(markers, key=len, reverse=True)))
    found = list(pattern.finditer(text))
    if not found:
        return f"none of the markers {', '.join(markers)}"
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [
        (markers[match[0]], text[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
        if markers[match[0]]
    ]


def without(text: str, opening: str, closings: Sequence[str]) -> str:
    """Return a text without a marker in front and one of several behind, and white space there."""
    text = text.strip().removeprefix(opening)
    for closing in closings:
        text = text.removesuffix(closing)
    return text.strip()


@dataclass(frozen=True, slots=True)
class MossChat:
    """MOSS-003: `{"chat": {"turn_1": {"Human": "<|Human|>: …<eoh>", "MOSS": "<|MOSS|>: …<eom>"}}}`.

    Inner thoughts, commands and results of tools are left out, as in the export without tools; so
    is the text about MOSS itself (`meta_instruction`).
    """

    names: tuple[str, ...] = ("chat",)

    def __str__(self) -> str:
        """Return the mapping in words."""
        return "MOSS's turns in chat, Human and MOSS of each"

    def texts(self, value: Any) -> Texts | str:
        """Return the conversation of a record, or why it has none."""
        chat = value.get("chat") if isinstance(value, dict) else None
        if not isinstance(chat, dict):
            return f"'chat' is {kind(chat)}, not an object"
        said: Said = []
        for number in range(1, len(chat) + 1):
            turn = chat.get(f"turn_{number}")
            if not isinstance(turn, dict):
                return f"no 'turn_{number}' among {len(chat)} turns"
            for key, role, opening in (
                ("Human", "user", "<|Human|>:"),
                ("MOSS", "assistant", "<|MOSS|>:"),
            ):
                text = turn.get(key)
                if not isinstance(text, str):
                    return f"'{key}' of a turn is {kind(text)}, not a text"
                said.append((role, without(text, opening, ("<eoh>", "<eom>", "<eoa>"))))
        return conversation(said)


@dataclass(frozen=True, slots=True)
class Alternating:
    """A list of texts, question and answer in turn: UltraChat's `{"data": ["…", "…"]}`."""

    key: str = "data"

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are read."""
        return (self.key,)

    def __str__(self) -> str:
        """Return the mapping in words."""
        return f"texts in {self.key}, question and answer in turn"

    def texts(self, value: Any) -> Texts | str:
        """Return the conversation of a record, or why it has none."""
        if not isinstance(value, dict):
            return "not an object"
        turns = field_of(value, self.key)
        if turns is ABSENT:
            return f"no field '{self.key}'"
        if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
            return f"'{self.key}' is {kind(turns)}, not a list of texts"
        return conversation([(("user", "assistant")[n % 2], turn) for n, turn in enumerate(turns)])
