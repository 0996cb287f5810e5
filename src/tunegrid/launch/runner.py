"""Many cells brought to their ends: one child each, several at once, sharing with other launches.

Owns: which cell goes next, what a cell's end means, and passing on the wish to stop. Part of the
edge; never imports torch. Any number of processes may run the same cells at the same time, on one
machine or on several with one file system: the lock of each run directory decides who works on it,
and whoever finds it held does other cells first and looks again.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tunegrid.cells import failure, state
from tunegrid.cells.identity import Cell
from tunegrid.cells.state import is_finished
from tunegrid.config.choices import Stage
from tunegrid.config.schema import CellConfig
from tunegrid.launch import child, exits, processes, resources, starting
from tunegrid.launch.distributed import cell as distributed
from tunegrid.launch.outcomes import (
    DONE,
    FAILED,
    INTERRUPTED,
    NOT_STARTED,
    REFUSED,
    Outcome,
)
from tunegrid.store import lock, run_files

LOOK_AGAIN_SECONDS = 1.0

_KNOWN = (exits.DONE, exits.FAILED, exits.REFUSED, exits.HELD, exits.INCOMPLETE, exits.INTERRUPTED)
_BEFORE_IT_LISTENED = (1, -signal.SIGINT, -signal.SIGTERM)
"""How a child ends that is ended by a signal before it takes that as a wish."""


@dataclass
class _Running:
    cell: Cell
    number: int
    slot: int
    child: processes.Child
    began: float


class Control:
    """The wish to stop, from wherever it comes: a signal, a scheduler, a failed cell."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._asked = 0
        self._is_starting = False
        self._children: list[processes.Child] = []

    def stop(self) -> None:
        """Have running cells finish their step, write a checkpoint and end; start no further one.

        Returns at once and may be called from a signal handler. Called again, the cells end
        without finishing their step.
        """
        self.is_stopping = True
        self._asked += 1
        for one in list(self._children):
            one.ask()

    def wait(self, seconds: float) -> bool:
        """Wait until no cell runs, at most so long; return whether none does."""
        end = time.monotonic() + seconds
        for one in list(self._children):
            one.join(max(0.0, end - time.monotonic()))
        return not any(one.is_alive for one in self._children)

    def handle(self, _number: int) -> None:
        """Take a signal of the terminal or the system as the wish to stop, and say so."""
        if self._asked == 0:
            print(processes.STOPPING, file=sys.stderr)
        self.stop()
        if self._asked > 1 and self._is_starting:
            # The server that forks the first child takes seconds to begin.
            raise KeyboardInterrupt

    def start(
        self,
        function: Callable[..., None],
        *arguments: Any,
        spare: processes.Spare | None = None,
    ) -> processes.Child:
        """Start a child that this control stops, also when the wish came before it was there."""
        self._is_starting = True
        try:
            one = processes.Child(function, *arguments, spare=spare)
        finally:
            self._is_starting = False
        self._children.append(one)
        while one.asked < self._asked:
            one.ask()
        return one


@dataclass
class _Work:
    """The cells of one call and how far they are."""

    waiting: deque[tuple[int, Cell]]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    running: list[_Running] = field(default_factory=list)
    failures_before: dict[str, int | None] = field(default_factory=dict)
    """When each run's failed.json was written before this call, to tell another launch's."""
    configs: tuple[CellConfig, ...] = ()
    """Of all cells, which divide the machine among them."""

    spares: dict[int, processes.Spare] = field(default_factory=dict)
    """By slot, the process that was started ahead for the slot's next cell."""

    def end_spares(self) -> None:
        """End the processes that no cell came for."""
        for spare in self.spares.values():
            spare.end()

    @property
    def are_alike(self) -> bool:
        """Return whether all cells take the same GPUs of a slot."""
        taken = {(one.runtime.device, one.runtime.gpus_per_cell) for one in self.configs}
        return len(taken) == 1

    @property
    def is_single(self) -> bool:
        """Return whether one cell alone was asked for."""
        return len(self.configs) == 1


def run_cells(
    cells: Sequence[Cell],
    *,
    parallel: int = 1,
    fail_fast: bool = False,
    control: Control | None = None,
    announce: bool = True,
    on_end: Callable[[], None] | None = None,
) -> list[Outcome]:
    """Run cells, each in a child process; return how each ended, in their order.

    A cell that raises, exits, is killed or runs out of memory leaves failed.json and never stops
    the others. A cell that another launch works on is waited for, and not run again when it ended
    there.

    Args:
        cells: checked; finished ones cost nothing.
        parallel: cells at once; threads, and GPUs where there are any, are divided among them.
        fail_fast: stop at the first failed cell.
        control: lets someone else stop the cells.
        announce: whether to print a line for each cell's beginning and end on standard error.
        on_end: called whenever cells have ended.
    """
    if distributed.follows(cells, parallel):
        return [follow(cell) for cell in cells]
    control = control or Control()
    work = _Work(deque(enumerate(cells)), configs=tuple(cell.config for cell in cells))
    work.failures_before = {cell.train_id: _failure_stamp(cell) for cell in cells}
    total = len(cells) if announce and len(cells) > 1 else 0
    with processes.on_signals(control.handle), contextlib.ExitStack() as leaving:
        leaving.callback(work.end_spares)
        while (work.waiting and not control.is_stopping) or work.running:
            started = not control.is_stopping and _start_some(work, parallel, control, total)
            if work.running:
                ended = len(work.outcomes)
                _reap(work, control, total)
                if on_end is not None and len(work.outcomes) > ended:
                    on_end()
            elif work.waiting and not started:
                # Everything left is being run by someone else.
                time.sleep(LOOK_AGAIN_SECONDS)
            failed = any(o.state in (FAILED, REFUSED) for o in work.outcomes.values())
            if fail_fast and failed and not control.is_stopping:
                control.stop()
    for number, cell in work.waiting:
        work.outcomes[number] = Outcome(cell.train_id, NOT_STARTED)
    return [work.outcomes[number] for number in range(len(cells))]


def follow(cell: Cell) -> Outcome:
    """Train along with the main process, which alone writes and says how the cell ended."""
    if is_finished(cell):
        return Outcome(cell.train_id, DONE)
    code, message = processes.call(child.run_cell, cell)
    states = {exits.DONE: DONE, exits.INTERRUPTED: INTERRUPTED, exits.REFUSED: REFUSED}
    return Outcome(cell.train_id, states.get(code, FAILED), message)


def _start_some(work: _Work, parallel: int, control: Control, total: int) -> bool:
    """Start waiting cells while there is room; return whether anything moved."""
    moved = False
    for _ in range(len(work.waiting)):
        if len(work.running) >= parallel:
            break
        number, cell = work.waiting.popleft()
        busy = any(one.cell.train_id == cell.train_id for one in work.running)
        if busy or lock.is_held(cell.directory / run_files.LOCK):
            work.waiting.append((number, cell))
            continue
        moved = True
        elsewhere = _ended_elsewhere(work, cell)
        if elsewhere is not None:
            work.outcomes[number] = elsewhere
            _announce(total, number, cell, f"{elsewhere.state} (another launch ran it)")
            continue
        slot = min(set(range(parallel)) - {one.slot for one in work.running})
        _announce(total, number, cell, "starts")
        own = resources.gpus_of_slot(work.configs, slot, parallel)
        share = child.Share(slot, parallel, own, work.is_single)
        spare = work.spares.pop(slot, None)
        one = control.start(child.run_cell, _shown(cell, parallel), share, spare=spare)
        work.running.append(_Running(cell, number, slot, one, time.monotonic()))
        if control.is_stopping:
            break
        if starts_ahead() and work.are_alike and len(work.spares) < len(work.waiting):
            work.spares[slot] = processes.Spare(cell.config, slot, parallel, own)
    return moved


def starts_ahead() -> bool:
    """Return whether a slot's next process is started while its cell runs: forking needs none."""
    return not starting.forks()


def _shown(cell: Cell, parallel: int) -> Cell:
    """Return the cell without its progress bars where several would write over each other."""
    if parallel == 1:
        return cell
    runtime = replace(cell.config.runtime, progress=False)
    return replace(cell, config=replace(cell.config, runtime=runtime))


def _ended_elsewhere(work: _Work, cell: Cell) -> Outcome | None:
    """Return how another launch ended the cell since this call began, or None."""
    found = state.of_cell(cell)
    if found.is_done and cell.config.stage is not Stage.probe:
        return Outcome(cell.train_id, DONE)
    is_new = found.failed_at_ns != work.failures_before[cell.train_id]
    if found.status is state.Status.failed and is_new:
        return Outcome(cell.train_id, FAILED, found.reason)
    return None


def _reap(work: _Work, control: Control, total: int) -> None:
    """Wait a moment for a child to end and note how."""
    ended = processes.wait_for([one.child for one in work.running], LOOK_AGAIN_SECONDS)
    for one in [one for one in work.running if one.child in ended]:
        work.running.remove(one)
        control._children.remove(one.child)
        code, message = one.child.code or 0, one.child.message
        lost = code not in _KNOWN and lock.is_held(one.cell.directory / run_files.LOCK)
        if code == exits.HELD or lost:
            # Somebody works on it: another launch, or the child itself, whose end was not told
            # because the server that watches it died.
            work.waiting.append((one.number, one.cell))
            continue
        if control.is_stopping and not message and code in _BEFORE_IT_LISTENED:
            outcome = Outcome(one.cell.train_id, INTERRUPTED)
        else:
            outcome = _outcome(one.cell, code, message)
        work.outcomes[one.number] = outcome
        # What this call noted itself is not another launch's.
        work.failures_before[one.cell.train_id] = _failure_stamp(one.cell)
        seconds = time.monotonic() - one.began
        _announce(
            total, one.number, one.cell, f"{outcome.state} after {seconds:.0f} s", outcome.reason
        )


def _outcome(cell: Cell, code: int, message: str) -> Outcome:
    if code == exits.DONE:
        return Outcome(cell.train_id, DONE)
    if code == exits.INTERRUPTED:
        return Outcome(cell.train_id, INTERRUPTED)
    if code == exits.REFUSED:
        return Outcome(cell.train_id, REFUSED, message)
    if code == exits.INCOMPLETE:
        # It is incomplete, which a failed.json would hide.
        return Outcome(cell.train_id, FAILED, message)
    if cell.config.stage is Stage.probe:
        # It leaves nothing in the run directory, not even how it failed.
        return Outcome(cell.train_id, FAILED, message or child.death(cell, code))
    found = state.of_cell(cell)
    if found.is_done:
        # Its end was lost, its results were not.
        return Outcome(cell.train_id, DONE)
    if code != exits.FAILED or not message:
        message = child.death(cell, code)
        child.note_failure(cell, message)
    elif found.status is not state.Status.failed:
        child.note_failure(cell, message)
    found = state.of_cell(cell)
    said = f"{found.what}: {message}" if found.status is state.Status.failed else message
    return Outcome(cell.train_id, FAILED, said)


def _announce(total: int, number: int, cell: Cell, what: str, reason: str = "") -> None:
    if not total:
        return
    width = len(str(total))
    line = f"[{number + 1:>{width}}/{total}] {cell.train_id} {what}"
    if reason:
        line += f": {reason.splitlines()[0]}"
    print(line, file=sys.stderr, flush=True)


def _failure_stamp(cell: Cell) -> int | None:
    return failure.written_at_ns(cell.directory)
