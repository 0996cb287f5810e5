"""One example of instruction tuning.

Owns: what an example is. Knows nothing of files, prompts or tokens.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """An instruction, its optional input and the output to learn, as the file has them.

    `input` is "" when there is none. `source` says which file the example is from and
    `position` which record of that file it is, counted from 1.
    """

    instruction: str
    input: str
    output: str
    source: str
    position: int

    @property
    def characters(self) -> int:
        """The characters of instruction, input and output together."""
        return len(self.instruction) + len(self.input) + len(self.output)
