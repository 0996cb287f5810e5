"""How cells ended, and the exit code of a command whose cells ended so.

Owns: the words for an end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DONE = "done"


FAILED = "failed"


REFUSED = "refused"


INTERRUPTED = "interrupted"


NOT_STARTED = "not started"


EXIT_CODES = {DONE: 0, FAILED: 1, REFUSED: 2, INTERRUPTED: 130, NOT_STARTED: 130}


@dataclass(frozen=True)
class Outcome:
    """How one cell ended."""

    train_id: str
    state: str
    """`done`, `failed`, `refused`, `interrupted` or `not started`."""
    reason: str = ""

    @property
    def first_line(self) -> str:
        """The first line of the reason; empty without one."""
        return next(iter(self.reason.splitlines()), "")


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return the exit code of a command that ended so: 0 only when every cell is done."""
    states = {outcome.state for outcome in outcomes}
    for state in (FAILED, REFUSED, INTERRUPTED, NOT_STARTED):
        if state in states:
            return EXIT_CODES[state]
    return 0
