"""One example of instruction tuning.

Owns: what an example is. Knows nothing of files, prompts or tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Exchange(NamedTuple):
    """What a person said in a conversation, and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Example:
    """An instruction, its optional input and the output to learn, as the file has them.

    `input` is "" when there is none. `source` says which file the example is from and
    `position` which record of that file it is, counted from 1. A conversation holds its last
    exchange as instruction and output, and those before it in `earlier`; every answer is learned.
    """

    instruction: str
    input: str
    output: str
    source: str
    position: int
    earlier: tuple[Exchange, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts; equal for two examples that teach the same."""
        before = [text for exchange in self.earlier for text in exchange]
        return (self.instruction, self.input, self.output, *before)

    @property
    def output_characters(self) -> int:
        """The characters that are learned."""
        return len(self.output) + sum(len(exchange.answer) for exchange in self.earlier)

    @property
    def characters(self) -> int:
        """The characters of all texts together."""
        return sum(map(len, self.texts))
