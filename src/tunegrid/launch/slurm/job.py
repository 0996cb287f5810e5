"""What one job does on its node: run its cells, checkpoint when SLURM wants the node back.

Owns: the function that submitit pickles and calls, and how SLURM's signals become the wish to
stop. Knows nothing of how jobs are submitted.

Before the time limit and at preemption SLURM sends USR2 (where the cluster does so), at `scancel`,
requeueing and other preemption SIGTERM, and SIGKILL a while later. Depending on the cluster, a
signal reaches every process of the job or the first alone; here it always counts once, in the
first process, which asks the cells to end at their next step.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunegrid.cells import failure, shared_base, state
from tunegrid.cells.failure import Failure
from tunegrid.cells.identity import Cell
from tunegrid.config.errors import StageError, StoreError, TunegridError, all_problems
from tunegrid.launch import child, exits, processes, runner, starting
from tunegrid.launch import record as launches
from tunegrid.launch.outcomes import FAILED, INTERRUPTED, NOT_STARTED, REFUSED, Outcome
from tunegrid.launch.record import Launch
from tunegrid.launch.slurm import failures, queue, record
from tunegrid.store import run_files

ENDED_BY_SIGNAL = 143
RESTARTS_WITHOUT_PROGRESS = 5
"""A cell that is stopped so often before it got anywhere would never end."""
MARGIN_SECONDS = 15
"""What submitit needs after the checkpoint to put the job back into the queue."""


class Control(runner.Control):
    """The wish to stop of one job; further signals of the same end do not make it urgent."""

    def __init__(self) -> None:
        super().__init__()
        self.was_signalled = False

    def stop(self) -> None:
        """Ask the running cells to end at their next step, once."""
        if not self.is_stopping:
            super().stop()

    def handle(self, number: int) -> None:
        """Take SIGTERM or SIGINT of SLURM as the wish to stop."""
        self.was_signalled = True
        print(f"{signal.Signals(number).name}: the cells stop after this step", file=sys.stderr)
        self.stop()

    def run(self, function: Callable[..., None], *arguments: Any) -> tuple[int, str]:
        """Run a child that this control may stop; return its exit code and message."""
        one = self.start(function, *arguments)
        try:
            with processes.on_signals(self.handle):
                while one.code is None:
                    processes.wait_for([one], runner.LOOK_AGAIN_SECONDS)
        finally:
            self._children.remove(one)
        return one.code or 0, one.message


_controls: list[Control] = []
"""The control of the running job; the signal handler finds it here."""


@dataclass(frozen=True)
class Group:
    """The cells of one job; called by submitit, and asked for a checkpoint when USR2 arrives."""

    directory: str
    """The launch's."""
    indices: tuple[int, ...]
    """Of its cells in cells.json."""
    signal_delay_seconds: int
    """Between USR2 and the end of the job."""
    progress: int = -1
    """How far the cells were when the job was last put back into the queue."""
    stalled: int = 0
    """How often in a row it was put back without any progress."""

    def __call__(self) -> None:
        """Run the cells.

        Raises:
            StageError: a cell failed, so that SLURM calls the job failed as well.
            StoreError: this node does not see the launch.
            SystemExit: SLURM ended the job.
        """
        control = Control()
        _controls.append(control)
        # From the first moment: submitit's own handler drops SIGTERM.
        with processes.on_signals(control.handle):
            self._bring_to_end(control)

    def _bring_to_end(self, control: Control) -> None:
        of = visible(Path(self.directory))
        divide_threads()
        shield_children()
        cells, outcomes = self._to_run(of)
        if os.environ.get("SLURM_PROCID", "0") != "0":
            assist(list(cells.values()), control)
            return
        if cells:
            outcomes |= self._run(cells, control)
        self._write(outcomes)
        if control.was_signalled:
            self._end_by_signal()
        bad = [
            f"{outcome.train_id} {outcome.state}: {outcome.reason}"
            for outcome in outcomes.values()
            if outcome.state in (FAILED, REFUSED)
        ]
        if bad:
            raise StageError(all_problems("not every cell of this job is done", bad))

    def checkpoint(self) -> Any:
        """Stop the cells at their next step; return what the queue gets back, None to give up.

        Runs in submitit's signal handler, underneath whatever the job was doing.
        """
        from submitit.helpers import DelayedSubmission

        # SLURM may repeat itself; a handler within the handler would requeue twice.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        if _controls:
            _controls[-1].stop()
            bound = max(self.signal_delay_seconds / 2, self.signal_delay_seconds - MARGIN_SECONDS)
            if not _controls[-1].wait(bound):
                print("no checkpoint in time; the one before it counts", file=sys.stderr)
        now = self._progress()
        stalled = self.stalled + 1 if 0 <= self.progress >= now else 0
        if stalled >= RESTARTS_WITHOUT_PROGRESS:
            print(f"{failures.NO_PROGRESS} ({stalled} times in a row)", file=sys.stderr)
            return None
        return DelayedSubmission(replace(self, progress=now, stalled=stalled))

    def _to_run(self, of: Launch) -> tuple[dict[int, Cell], dict[int, Outcome]]:
        """Return the cells to run as they were launched, and the outcomes of the others."""
        cells: dict[int, Cell] = {}
        others = self._failed_already(of)
        for index in self.indices:
            if index in others:
                continue
            try:
                cells[index] = without_progress(launches.frozen_cell(of, index))
            except TunegridError as error:
                reason = f"{type(error).__name__}: {error}"
                # The others of its job go on, also where this one is being run elsewhere.
                with contextlib.suppress(StoreError):
                    failures.write(of, index, Failure(failure.UNKNOWN, reason))
                others[index] = Outcome(of.entries[index].train_id, REFUSED, reason)
        return cells, others

    def _failed_already(self, of: Launch) -> dict[int, Outcome]:
        """Return the cells that failed before this job was put back into the queue."""
        if os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
            return {}
        earlier = record.read(of.directory).earlier
        failed = {}
        for index in self.indices:
            reason = failures.of_this_launch(of, index, earlier.get(index))
            if reason is not None:
                failed[index] = Outcome(of.entries[index].train_id, FAILED, reason)
        return failed

    def _run(self, cells: dict[int, Cell], control: Control) -> dict[int, Outcome]:
        runtime = next(iter(cells.values())).config.runtime
        answer_together(list(cells.values()), control)
        outcomes = runner.run_cells(
            list(cells.values()),
            parallel=runtime.parallel,
            fail_fast=runtime.fail_fast,
            control=control,
        )
        return dict(zip(cells, outcomes, strict=True))

    def _write(self, outcomes: dict[int, Outcome]) -> None:
        """Note how cells ended; one that was stopped has not."""
        for index, outcome in outcomes.items():
            if outcome.state not in (INTERRUPTED, NOT_STARTED):
                where = Path(self.directory)
                record.write_outcome(where, index, outcome.state, outcome.reason, own_job())

    def _progress(self) -> int:
        """Return a number that grows with every step and answer of the cells."""
        of = launches.read(Path(self.directory))
        total = 0
        for index in self.indices:
            run = of.results / "runs" / of.entries[index].train_id
            lines = [run / run_files.CURVE, *sorted((run / run_files.PREDICTIONS).glob("*"))]
            done = [run / run_files.TRAINED, *sorted((run / run_files.SCORES).glob("*"))]
            total += sum(path.stat().st_size for path in [*lines, *done] if path.is_file())
        return total

    def _end_by_signal(self) -> None:
        """End the job after SIGTERM: back into the queue where SLURM still calls it running.

        Then it is being preempted and has been given time; a job that was cancelled or requeued
        is called so at once.
        """
        status = (queue.ask([own_job()]) or {}).get(own_job())
        if status is not None and status.state == "RUNNING":
            signal.raise_signal(signal.SIGUSR2)
        raise SystemExit(ENDED_BY_SIGNAL)


def visible(directory: Path) -> Launch:
    """Return the launch in a directory of the machine that launched it.

    Raises:
        StoreError: this node does not see it.
    """
    if not (directory / launches.CELLS).exists():
        raise StoreError(
            f"this node ({os.uname().nodename}) does not see {directory / launches.CELLS}. Cells "
            "and results must lie on a file system that all nodes share: launch again with "
            "runtime.results=<directory there>"
        )
    return launches.read(directory)


def without_progress(cell: Cell) -> Cell:
    """Return the cell without its progress bars, which would fill the job's log."""
    runtime = replace(cell.config.runtime, progress=False)
    return replace(cell, config=replace(cell.config, runtime=runtime))


def own_job() -> str:
    """Return this job's name: `12`, or `12_3` in an array."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "0")


def divide_threads() -> None:
    """Compute in as many threads as the job has cores, unless the user says otherwise."""
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    if given and given.isdigit():
        os.environ.setdefault("OMP_NUM_THREADS", given)


def shield_children() -> None:
    """Have SLURM's signals reach neither the processes that run cells nor their server.

    On clusters where a signal goes to every process of the job, USR2 would end each of them, and
    a SIGTERM beside the wish to stop would count as the second wish, which ends a cell at once.
    Blocked signals stay blocked in whatever a process starts.
    """
    starting.shield(signal.SIGUSR2, signal.SIGTERM)


def answer_together(cells: Sequence[Cell], control: Control) -> None:
    """Let the trained cells of one base answer with one load of it.

    What this leaves undone, because another launch works on a cell or because it failed, is run
    cell by cell afterwards, which also says why.
    """
    found = [(cell, state.of_cell(cell)) for cell in cells]
    waiting = [cell for cell, one in found if one.is_trained and not one.is_done]
    for group in shared_base.grouped(waiting):
        if len(group) > 1 and not control.is_stopping:
            print(f"{len(group)} cells answer with one load of their base", file=sys.stderr)
            code, message = control.run(child.run_together, group)
            if code != exits.DONE and message:
                print(message, file=sys.stderr)


def assist(cells: Sequence[Cell], control: Control) -> None:
    """Train the cells along with the first task of the job step, which alone writes and reports.

    The order is the first task's; one that waits for a cell of another launch makes this one wait.
    """
    for cell in cells:
        if not control.is_stopping:
            control.run(child.run_cell, cell)
