"""How far a cell is: what the files of its run directory mean.

Owns: the one meaning of a run directory. Loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tunegrid.cells.identity import Cell
from tunegrid.cells.labels import words
from tunegrid.cells.requests import asked_of
from tunegrid.cells.stages import lm_eval
from tunegrid.config.choices import Stage
from tunegrid.config.errors import TunegridError
from tunegrid.store import run_files
from tunegrid.store.lock import is_alive, owner
from tunegrid.store.run_directory import RunDirectory, finished_scores
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
    is_trained = cell.config.peft.function is None or run.has(run_files.TRAINED)
    steps = 0 if is_trained else max(Checkpoints(run.checkpoints).steps(), default=0)
    if _is_done(cell):
        return Progress(Status.done, True, 0)
    lock = run.path / run_files.LOCK
    holder = owner(lock)
    if holder and is_alive(lock, holder):
        return Progress(Status.running, is_trained, steps)
    if refused is not None:
        return Progress(Status.refused, is_trained, steps, refused)
    if run.has(run_files.FAILED):
        return Progress(Status.failed, is_trained, steps, _failure(run))
    if is_trained:
        return Progress(Status.to_evaluate, True, 0)
    return Progress(Status.to_continue if steps else Status.to_train, False, steps)


def _is_done(cell: Cell) -> bool:
    try:
        return holds_all_asked(cell)
    except (TunegridError, OSError):
        # What it was asked cannot be told without the benchmarks; results.json named it.
        return False


def _failure(run: RunDirectory) -> str:
    try:
        failure = run.read(run_files.FAILED)
        lines = str(failure["error"]).splitlines()
        return f"{failure['stage']}: {lines[0] if lines else 'no message'}"
    except (TunegridError, KeyError, TypeError):
        return f"{run_files.FAILED} cannot be read"


def status(run: RunDirectory) -> str:
    """Return `running`, `failed`, `done` or `incomplete` (started, and can be continued)."""
    lock = run.path / run_files.LOCK
    holder = owner(lock)
    if holder and is_alive(lock, holder):
        return "running"
    if run.has(run_files.FAILED):
        return "failed"
    scores = finished_scores(run)
    there = scores is not None and all(
        run.has(f"{run_files.SCORES}/{name}.json") for name in scores
    )
    trained = run.has(run_files.TRAINED) or words(run).get("seed") is None
    return "done" if there and trained else "incomplete"


def is_complete(run_directory: RunDirectory, name: str) -> bool:
    """Return whether a scoring is there and lacks no item's score."""
    final = f"{run_files.SCORES}/{name}.json"
    return run_directory.has(final) and not run_directory.read(final).get("incomplete")


def has_incomplete(run_directory: RunDirectory) -> bool:
    """Return whether a scoring of the run lacks an item's score."""
    names = sorted((run_directory.path / run_files.SCORES).glob("*.json"))
    return any(not is_complete(run_directory, path.stem) for path in names)


def is_finished(cell: Cell) -> bool:
    """Return whether nothing is left to do for a cell; loads no torch."""
    stages = (Stage.check, Stage.probe, Stage.plan)
    return cell.config.stage not in stages and holds_all_asked(cell)


def holds_all_asked(cell: Cell) -> bool:
    """Return whether everything the cell asks for is on the disk; loads no torch.

    What another cell of the same training was asked, last or with a failure, does not matter.
    """
    run = RunDirectory(cell.directory)
    if not is_trained(cell, run) or not _is_settled(run):
        return False
    wanted = [asked.score_id for asked in asked_of(cell)]
    if cell.config.stage is not Stage.train and cell.config.eval.tasks:
        wanted.append(lm_eval.score_id(cell))
    if not wanted and run.has(run_files.FAILED):
        return False
    return all(is_complete(run, name) for name in wanted)


def _is_settled(run: RunDirectory) -> bool:
    """Return whether the last command on the run came to an end, good or bad.

    Without one, a process was ended between a score and the end; running again costs a moment.
    """
    if run.has(run_files.RESULTS):
        return finished_scores(run) is not None
    # Another cell of the same training failed, or its judge left items without a score.
    return run.has(run_files.FAILED) or has_incomplete(run)


def is_trained(cell: Cell, run_directory: RunDirectory) -> bool:
    """Return whether a cell has its trained weights, or needs none."""
    return cell.config.peft.function is None or run_directory.has(run_files.TRAINED)
