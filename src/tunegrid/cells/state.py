"""How far a run is: the one meaning of the files in a run directory.

Owns: that meaning. Everything that shows, skips, continues or counts runs asks here. Reads small
JSON files alone, never answers; loads no torch, writes nothing and raises nothing for a file that
is damaged.

A run is looked at in two ways: for what a cell asks of it (`of_cell`, or `of_run` with the names
of the scores), where what other cells of the same training left undone does not matter; and by
itself (`of_run`), where what its last command asked counts, and every failure is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from tunegrid.cells import failure, run_content, wanted
from tunegrid.cells.failure import Failure
from tunegrid.cells.identity import Cell
from tunegrid.cells.run_content import MEND, Files, Read, json_object, read_files, read_if_there
from tunegrid.cells.wanted import Wanted
from tunegrid.config.choices import Stage
from tunegrid.config.errors import StoreError
from tunegrid.store import run_files
from tunegrid.store.run_directory import other_record


class Status(Enum):
    """How far a stage is, or a run as a whole."""

    not_begun = "not begun"
    running = "running"
    interrupted = "interrupted"
    """Begun and not at its end, and nobody works on it: the same command continues."""
    failed = "failed"
    incomplete = "incomplete"
    """A judge left items without a score; the same command asks it again."""
    done = "done"
    suspect = "suspect"
    """Done, and a gate says why its numbers are not to be trusted."""
    unreadable = "unreadable"
    """Of a run: a file is damaged, or a newer version wrote it."""


FINISHED = (Status.done, Status.suspect)
BAD = (Status.failed, Status.incomplete, Status.unreadable)
"""What keeps a launch from ending with exit code 0, and has a reason in tables."""


@dataclass(frozen=True)
class StageState:
    """How far the training or one evaluation is."""

    name: str
    """`train`, or the benchmark's name."""
    status: Status
    reason: str = ""
    score_id: str = ""
    """Of an evaluation, as far as it can be told."""

    @property
    def is_finished(self) -> bool:
        """Whether its last file is there and whole."""
        return self.status in FINISHED


@dataclass(frozen=True)
class RunState:
    """How far a run is with what is asked of it."""

    status: Status
    what: str = ""
    """What the status is about, such as `trained; evaluation of mmcu failed`."""
    detail: str = ""
    """One line: the error, the doubts, what lacks a score."""
    training: StageState | None = None
    """None where there is nothing to train."""
    evaluations: tuple[StageState, ...] = ()
    steps_done: int = 0
    """Optimizer steps that a checkpoint of an unfinished training holds."""
    holder: Mapping[str, Any] = field(default_factory=dict)
    """The living process that works on the run."""
    failed_at_ns: int | None = None
    """When failed.json was written, whatever it is about."""

    @property
    def reason(self) -> str:
        """The status in a line of words."""
        return ": ".join(part for part in (self.what, self.detail) if part)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in FINISHED

    @property
    def is_trained(self) -> bool:
        """Whether the training is done or there is none."""
        if self.status is Status.unreadable:
            return False
        return self.training is None or self.training.is_finished

    @property
    def stages(self) -> tuple[StageState, ...]:
        """All stages in their order."""
        return (*(() if self.training is None else (self.training,)), *self.evaluations)

    @property
    def unfinished(self) -> StageState | None:
        """The first stage that is not done."""
        return next((one for one in self.stages if not one.is_finished), None)

    @property
    def failed(self) -> StageState | None:
        """The first stage that failed."""
        return next((one for one in self.stages if one.status is Status.failed), None)


def of_cell(cell: Cell, read: Read | None = None) -> RunState:
    """Return how far a run is with what a cell asks of it."""
    asked = wanted.of_cell(cell)
    return _of(cell.directory, asked, cell.config.peft.function is not None, read)


def of_run(
    directory: Path,
    *,
    asked: Sequence[str] | None = None,
    has_method: bool | None = None,
    read: Read | None = None,
) -> RunState:
    """Return how far a run is.

    Args:
        directory: the run's.
        asked: names of the scores that are asked for; None where nobody says so, which leaves it
            to the run itself.
        has_method: whether there is something to train; None leaves it to cell.json.
        read: reads a JSON file.
    """
    known = None if asked is None else wanted.named(asked)
    return _of(directory, known, has_method, read)


def is_finished(cell: Cell) -> bool:
    """Return whether nothing is left to do for a cell."""
    stages = (Stage.check, Stage.probe, Stage.plan)
    return cell.config.stage not in stages and of_cell(cell).is_done


def is_trained(cell: Cell) -> bool:
    """Return whether a cell has its trained weights, or needs none."""
    return cell.config.peft.function is None or (cell.directory / run_files.TRAINED).exists()


def of_next_stage(found: RunState, error: str) -> Failure:
    """Return the note of a process that ended without one.

    It was at the first stage left to do, or did not begin because it could not read a benchmark.
    """
    untold = next((one for one in found.evaluations if not one.score_id), None)
    stage = found.unfinished if untold is None else untold
    if stage is None:
        return Failure(failure.UNKNOWN, error)
    if stage is found.training:
        return Failure(failure.TRAIN, error)
    return Failure(f"evaluate {stage.name}", error, stage.name, score_id=stage.score_id)


def _of(
    directory: Path, asked: tuple[Wanted, ...] | None, has_method: bool | None, read: Read | None
) -> RunState:
    try:
        files = read_files(directory, read or read_if_there)
        newer = other_record(directory, files.record or {})
        if newer is not None:
            return RunState(Status.unreadable, detail=newer)
        return _meaning(files, asked, has_method)
    except StoreError as error:
        return RunState(Status.unreadable, detail=" ".join(str(error).splitlines()))
    except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        what = f"{directory}: a file is not what it should be ({error!r})"
        return RunState(Status.unreadable, detail=f"{what}. {MEND}")


def _meaning(files: Files, asked: tuple[Wanted, ...] | None, has_method: bool | None) -> RunState:
    is_bare, is_known = asked is None, True
    if asked is None:
        found = run_content.last_asked(files)
        is_known = found is not None
        asked = wanted.named(found if found is not None else run_content.scored(files.directory))
    steps = 0
    training = None
    if run_content.is_to_train(files, has_method):
        steps = 0 if files.report is not None else run_content.steps_done(files.directory)
        training = _training(files, steps)
    evaluations = tuple(_evaluations(files, asked))
    state = RunState(
        Status.not_begun, "", "", training, evaluations, steps, files.holder, files.failed_at_ns
    )
    if files.holder or files.has_dead_lock:
        state = _at_work(state, Status.running if files.holder else Status.interrupted)
    is_untold = False
    if files.failure is not None and files.holder:
        # Whoever works on the run takes the note away when the stage succeeds, not before.
        noted = [one for one in state.evaluations if _concerns(files.failure, one)]
        again = [one for one in noted if one.is_finished]
        state = _with(state, again, Status.running, "")
    elif files.failure is not None:
        state, is_untold = _blamed(state, files.failure, files, is_bare=is_bare, is_known=is_known)
    return _overall(state, files, is_bare=is_bare, is_known=is_known, is_untold=is_untold)


def _training(files: Files, steps: int) -> StageState:
    if files.report is not None:
        doubts = list(files.report.get("suspect") or [])
        status = Status.suspect if doubts else Status.done
        return StageState(failure.TRAIN, status, "; ".join(doubts))
    begun = steps > 0 or files.record is not None
    return StageState(failure.TRAIN, Status.interrupted if begun else Status.not_begun)


def _evaluations(files: Files, asked: Iterable[Wanted]) -> Iterable[StageState]:
    answers: frozenset[str] | None = None
    for one in asked:
        if not one.score_id:
            yield StageState(one.benchmark, Status.not_begun, one.problem)
            continue
        path = files.directory / run_files.SCORES / f"{one.score_id}.json"
        summary = json_object(path, files.read)
        if summary is not None:
            yield _scoring(one, summary)
            continue
        answers = run_content.answered(files.directory) if answers is None else answers
        begun = any(one.score_id == name or one.score_id.startswith(f"{name}-") for name in answers)
        status = Status.interrupted if begun else Status.not_begun
        yield StageState(one.benchmark, status, "", one.score_id)


def _scoring(one: Wanted, summary: Mapping[str, Any]) -> StageState:
    name = summary.get("benchmark") or one.benchmark
    doubts = list(summary.get("suspect") or [])
    if summary.get("incomplete"):
        count = sum((summary.get("problems") or {}).values())
        judge = summary.get("judge") or "its judge"
        lacking = f"{count} items without a score by {judge}"
        return StageState(name, Status.incomplete, lacking, one.score_id)
    status = Status.suspect if doubts else Status.done
    return StageState(name, status, "; ".join(doubts), one.score_id)


def _at_work(state: RunState, status: Status) -> RunState:
    """Give the status to the stage that a process is at, or was when it died."""
    at = state.unfinished
    if at is None or (status is Status.interrupted and at.status is Status.incomplete):
        return state
    return _with(state, (at,), status, "")


def _blamed(
    state: RunState, noted: Failure, files: Files, *, is_bare: bool, is_known: bool
) -> tuple[RunState, bool]:
    """Return the state with the stages failed that a note is about.

    The second value says whether the note is about something that cannot be told.
    """
    if noted.benchmark:
        about = [one for one in state.evaluations if _concerns(noted, one)]
        if not about and is_bare:
            other = StageState(noted.benchmark, Status.failed, noted.line, noted.score_id)
            return replace(state, evaluations=(*state.evaluations, other)), False
        return _with(state, about, Status.failed, noted.line), False
    if noted.stage == failure.TRAIN and state.is_trained:
        # A process was killed after its training and before it could take the note away.
        return state, False
    at = state.unfinished
    if at is not None:
        return _with(state, (at,), Status.failed, noted.line), False
    return state, not is_known or (not state.stages and files.results is None)


def _concerns(noted: Failure, one: StageState) -> bool:
    if not one.score_id:
        return noted.benchmark == one.name
    if noted.score_id:
        return noted.score_id == one.score_id
    if noted.prediction_id:
        return one.score_id.startswith(f"{noted.prediction_id}-")
    # A note of an earlier version: of several ways to ask a benchmark it is one that is not done.
    return noted.benchmark == one.name and not one.is_finished


def _with(state: RunState, changed: Sequence[StageState], status: Status, reason: str) -> RunState:
    def new(one: StageState) -> StageState:
        is_one = any(one is other for other in changed)
        return replace(one, status=status, reason=reason) if is_one else one

    training = None if state.training is None else new(state.training)
    return replace(state, training=training, evaluations=tuple(map(new, state.evaluations)))


def _overall(
    state: RunState, files: Files, *, is_bare: bool, is_known: bool, is_untold: bool
) -> RunState:
    """Return the state with its own status and the words for it."""
    prefix = "trained; " if state.training is not None and state.is_trained else ""
    at = state.unfinished
    has_ended = bool(state.stages) or files.results is not None
    if at is None and has_ended and is_known and not (is_bare and state.holder):
        doubtful = [one for one in state.stages if one.status is Status.suspect]
        doubts = "; ".join(
            one.reason if one is state.training else f"{one.name}: {one.reason}" for one in doubtful
        )
        return replace(state, status=Status.suspect if doubtful else Status.done, detail=doubts)
    if state.holder:
        what = "at its end" if at is None else _called(at)
        return replace(state, status=Status.running, what=f"{prefix}{what}")
    if state.failed is not None:
        what = f"{prefix}{_called(state.failed)} failed"
        return replace(state, status=Status.failed, what=what, detail=state.failed.reason)
    if is_untold and files.failure is not None:
        what = f"{prefix}{files.failure.stage} failed"
        if files.failure.stage == failure.UNKNOWN:
            what = f"{prefix}a stage failed"
        return replace(state, status=Status.failed, what=what, detail=files.failure.line)
    lacking = [one for one in state.evaluations if one.status is Status.incomplete]
    if lacking and state.is_trained:
        what = f"{prefix}{_called(lacking[0])} is incomplete"
        return replace(state, status=Status.incomplete, what=what, detail=lacking[0].reason)
    return _left(state, files, prefix)


def _left(state: RunState, files: Files, prefix: str) -> RunState:
    """Return the state of a run that nobody works on and that nothing is wrong with."""
    untouched = all(one.status is Status.not_begun for one in state.stages)
    if untouched and files.record is None:
        return state
    if not state.is_trained:
        where = f"after step {state.steps_done}" if state.steps_done else "before any checkpoint"
        return replace(state, status=Status.interrupted, what=f"training interrupted {where}")
    left = dict.fromkeys(one.name for one in state.evaluations if not one.is_finished)
    what = (
        f"{prefix}not evaluated: {', '.join(left)}" if left else f"{prefix}its command did not end"
    )
    detail = "; ".join(one.reason for one in state.evaluations if one.reason and not one.score_id)
    return replace(state, status=Status.interrupted, what=what, detail=detail)


def _called(one: StageState) -> str:
    is_training = one.name == failure.TRAIN and not one.score_id
    return "training" if is_training else f"evaluation of {one.name}"
