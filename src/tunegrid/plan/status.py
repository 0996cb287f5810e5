"""How far a cell is: done, running, failed, or what it still needs.

Owns: these words, from the files of a run directory. Loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tunegrid import pipeline, store
from tunegrid.errors import TunegridError
from tunegrid.identity import Cell, effective_training
from tunegrid.lock import is_alive, owner
from tunegrid.store import RunDirectory
from tunegrid.training import schedule
from tunegrid.training.checkpoints import Checkpoints


class Status(Enum):
    """What a launch would find."""

    done = "done"
    running = "running"
    failed = "failed"
    refused = "refused"
    to_evaluate = "to evaluate"
    to_continue = "to continue"
    to_train = "to train"


@dataclass(frozen=True)
class Progress:
    """How far a cell is, and what is left of its training."""

    status: Status
    is_trained: bool
    """Whether its training is done; a cell without a method has none."""
    steps_done: int
    """Optimizer steps that a checkpoint holds."""
    reason: str = ""
    """Why it failed or is refused."""


def progress(cell: Cell, refused: str | None) -> Progress:
    """Return how far a cell is.

    Args:
        cell: with or without its files.
        refused: why it cannot be launched; None where it can.
    """
    run = RunDirectory(cell.directory)
    is_trained = cell.config.peft.function is None or run.has(store.TRAINED)
    steps = 0 if is_trained else max(Checkpoints(run.checkpoints).steps(), default=0)
    if _is_done(cell):
        return Progress(Status.done, True, 0)
    lock = run.path / store.LOCK
    holder = owner(lock)
    if holder and is_alive(lock, holder):
        return Progress(Status.running, is_trained, steps)
    if refused is not None:
        return Progress(Status.refused, is_trained, steps, refused)
    if run.has(store.FAILED):
        return Progress(Status.failed, is_trained, steps, _failure(run))
    if is_trained:
        return Progress(Status.to_evaluate, True, 0)
    return Progress(Status.to_continue if steps else Status.to_train, False, steps)


def share_left(cell: Cell, found: Progress, examples: float | None) -> float:
    """Return the share of a cell's optimizer steps that is still to be trained, from 0 to 1."""
    if found.is_trained:
        return 0.0
    if not found.steps_done or not examples:
        return 1.0
    steps = schedule.total_steps(int(examples), effective_training(cell.config))
    return max(0.0, 1 - found.steps_done / steps)


def _is_done(cell: Cell) -> bool:
    try:
        return pipeline.is_finished(cell)
    except (TunegridError, OSError):
        # What it was asked cannot be told without the benchmarks; results.json named it.
        return False


def _failure(run: RunDirectory) -> str:
    try:
        failure = run.read(store.FAILED)
        lines = str(failure["error"]).splitlines()
        return f"{failure['stage']}: {lines[0] if lines else 'no message'}"
    except (TunegridError, KeyError, TypeError):
        return f"{store.FAILED} cannot be read"
