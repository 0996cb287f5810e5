"""What a plan calls a cell: done, running, failed, or what it still needs.

Owns: these words. What the files of a run mean is said by `cells.state`. Loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tunegrid.cells import state
from tunegrid.cells.identity import Cell
from tunegrid.cells.state import RunState
from tunegrid.training import schedule


class Status(Enum):
    """What a launch would find."""

    done = "done"
    running = "running"
    failed = "failed"
    refused = "refused"
    unreadable = "unreadable"
    to_evaluate = "to evaluate"
    to_continue = "to continue"
    to_train = "to train"


@dataclass(frozen=True)
class Progress:
    """How far a cell is, and what is left of its training."""

    status: Status
    found: RunState
    reason: str = ""
    """Why it failed, is refused or cannot be read."""

    @property
    def is_trained(self) -> bool:
        """Whether its training is done; a cell without a method has none."""
        return self.found.is_trained

    @property
    def steps_done(self) -> int:
        """Optimizer steps that a checkpoint holds."""
        return self.found.steps_done


def progress(cell: Cell, refused: str | None) -> Progress:
    """Return how far a cell is.

    Args:
        cell: with or without its files.
        refused: why it cannot be launched; None where it can.
    """
    found = state.of_cell(cell)
    if found.is_done:
        return Progress(Status.done, found)
    if found.status is state.Status.running:
        return Progress(Status.running, found)
    if refused is not None:
        return Progress(Status.refused, found, refused)
    if found.status in (state.Status.failed, state.Status.unreadable):
        return Progress(Status[found.status.name], found, found.reason)
    if found.is_trained:
        return Progress(Status.to_evaluate, found)
    return Progress(Status.to_continue if found.steps_done else Status.to_train, found)


def share_left(cell: Cell, found: Progress, examples: float | None) -> float:
    """Return the share of a cell's optimizer steps that is still to be trained, from 0 to 1."""
    if found.is_trained:
        return 0.0
    if not found.steps_done or not examples:
        return 1.0
    steps = schedule.total_steps(int(examples), cell.training)
    return max(0.0, 1 - found.steps_done / steps)
