"""How the cells of a launch ended, read from the disk and from SLURM, job by job.

Owns: waiting for jobs, and speaking for those that died. Nothing is taken from the pickles in
which jobs return values: one dead job loses no other's results, and any process on any machine
that sees the results can do this at any time, again and again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tunegrid.cells.failure import Failure
from tunegrid.cells.state import is_finished
from tunegrid.config.errors import StoreError, TunegridError
from tunegrid.launch import record as launches
from tunegrid.launch.outcomes import DONE, FAILED, INTERRUPTED, NOT_STARTED, REFUSED, Outcome
from tunegrid.launch.record import Launch
from tunegrid.launch.slurm import failures, queue, record
from tunegrid.launch.slurm.queue import Status
from tunegrid.launch.slurm.record import Submission
from tunegrid.store import run_files
from tunegrid.store.lock import STALE_AFTER_SECONDS, Held
from tunegrid.store.run_directory import RunDirectory

SHORTEST_POLL_SECONDS = 1.0
LONGEST_POLL_SECONDS = 60.0
POLLS_A_RUN = 20
"""The time between two questions is this part of the time since the start."""
FORGOTTEN_AFTER_SECONDS = 60.0
"""A job that SLURM has not named for so long is over; its accounts lag behind for seconds."""


@dataclass
class _Watch:
    """What is known so far."""

    launch: Launch
    submission: Submission
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    silent_since: dict[str, float] = field(default_factory=dict)
    """Since when SLURM has not named a job."""
    held_since: dict[int, float] = field(default_factory=dict)
    """Since when a dead cell's lock has been in the way."""
    said: str = ""


def wait(launch: Launch, submission: Submission, *, fail_fast: bool = False) -> list[Outcome]:
    """Wait until every job has ended; return how each cell did, in the order of cells.json.

    A cell whose job died without a word gets a failed.json with SLURM's reason. May be called any
    number of times, in any process.

    Args:
        launch: with its jobs in `submission`.
        submission: from `record.read`.
        fail_fast: cancel the other jobs at the first failed cell.
    """
    watch, began = _Watch(launch, submission), time.monotonic()
    cancelled = False
    while True:
        _hear(watch)
        statuses = queue.ask(_unfinished(watch))
        if statuses is None:
            _say(watch, "SLURM does not answer; asking again")
        else:
            _look(watch, statuses)
        if not _unfinished(watch):
            return _in_order(watch)
        failed = any(o.state in (FAILED, REFUSED) for o in watch.outcomes.values())
        if fail_fast and failed and not cancelled:
            cancelled = True
            queue.cancel(_unfinished(watch))
        elapsed = time.monotonic() - began
        time.sleep(min(LONGEST_POLL_SECONDS, max(SHORTEST_POLL_SECONDS, elapsed / POLLS_A_RUN)))


def look(launch: Launch, submission: Submission) -> tuple[list[Outcome], int]:
    """Return how the cells ended that have, and how many cells have not; does not wait."""
    watch = _Watch(launch, submission)
    _hear(watch)
    statuses = queue.ask(_unfinished(watch))
    if statuses is None:
        _say(watch, "SLURM does not answer; this is what the disk says")
    else:
        _look(watch, statuses)
    left = sum(len(_open(watch, job)) for job in _unfinished(watch))
    return _in_order(watch), left


def _unfinished(watch: _Watch) -> list[str]:
    return [job for job in watch.submission.jobs if _open(watch, job)]


def _open(watch: _Watch, job: str) -> list[int]:
    """Return the cells of a job whose end is not known."""
    return [index for index in watch.submission.jobs[job] if index not in watch.outcomes]


def _in_order(watch: _Watch) -> list[Outcome]:
    return [watch.outcomes[index] for index in sorted(watch.outcomes)]


def _hear(watch: _Watch) -> None:
    """Note the ends of cells whose jobs have said how; one that is stopped says nothing."""
    for job in _unfinished(watch):
        for index in _open(watch, job):
            said = record.read_outcome(watch.launch.directory, index)
            if said is not None:
                _note(watch, index, *said)


def _look(watch: _Watch, statuses: Mapping[str, Status]) -> None:
    """Note the ends of cells whose jobs SLURM calls over."""
    # A job may have spoken and ended since it was last listened to.
    _hear(watch)
    for job in _unfinished(watch):
        status = statuses.get(job)
        if _is_over(watch, job, status):
            for index in _open(watch, job):
                _end(watch, index, job, status)
    counts = queue.counts({job: statuses[job] for job in _unfinished(watch) if job in statuses})
    if counts:
        _say(watch, "jobs: " + ", ".join(f"{n} {state}" for state, n in sorted(counts.items())))


def _is_over(watch: _Watch, job: str, status: Status | None) -> bool:
    """Return whether a job will do nothing more."""
    now = time.monotonic()
    if status is not None and not status.has_ended:
        watch.silent_since.pop(job, None)
        return False
    # A job whose node failed or that was preempted is requeued a moment later, where allowed.
    comes_back = status is not None and status.state in ("NODE_FAIL", "PREEMPTED", "BOOT_FAIL")
    if status is not None and not comes_back:
        return True
    return now - watch.silent_since.setdefault(job, now) >= FORGOTTEN_AFTER_SECONDS


def _end(watch: _Watch, index: int, job: str, status: Status | None) -> None:
    """Note how a cell ended whose job is over and has not said so."""
    entry = watch.launch.entries[index]
    run = RunDirectory(watch.launch.results / "runs" / entry.train_id)
    earlier = watch.submission.earlier.get(index)
    if _is_finished(watch.launch, index):
        _note(watch, index, DONE, "")
    elif status is not None and status.state == "CANCELLED":
        by = f"job {job} was cancelled{' ' + status.remark if status.remark else ''}"
        begun = status.started and run.has(run_files.CELL)
        _note(watch, index, INTERRUPTED if begun else NOT_STARTED, by)
    elif (own := failures.of_this_launch(watch.launch, index, earlier)) is not None:
        _note(watch, index, FAILED, own)
    else:
        _speak_for(watch, index, failures.of_job(job, status, watch.submission.log(job)))


def _speak_for(watch: _Watch, index: int, failure: Failure) -> None:
    """Write failed.json on behalf of a job that died; leaves the cell open while it is locked."""
    try:
        failures.write(watch.launch, index, failure)
    except Held as error:
        now = time.monotonic()
        since = watch.held_since.setdefault(index, now)
        # The lock of a process that died on another machine counts until it is stale.
        if now - since > STALE_AFTER_SECONDS + LONGEST_POLL_SECONDS:
            _note(watch, index, INTERRUPTED, f"{failure.error}; now {error}")
        return
    except StoreError as error:
        _note(watch, index, FAILED, f"{failure.error}; not written: {error}")
        return
    said = failures.of_this_launch(watch.launch, index, None)
    _note(watch, index, FAILED, said or failure.error)


def _is_finished(launch: Launch, index: int) -> bool:
    try:
        return is_finished(launches.frozen_cell(launch, index))
    except TunegridError:
        # What lies at its paths has changed since: what it had made is not what is asked for.
        return False


def _note(watch: _Watch, index: int, state: str, reason: str) -> None:
    outcome = Outcome(watch.launch.entries[index].train_id, state, reason)
    watch.outcomes[index] = outcome
    number, total = len(watch.outcomes), sum(len(c) for c in watch.submission.jobs.values())
    first = f": {reason.splitlines()[0]}" if reason else ""
    line = f"[{number:>{len(str(total))}}/{total}] {outcome.train_id} {state}{first}"
    print(line, file=sys.stderr, flush=True)


def _say(watch: _Watch, what: str) -> None:
    """Print a line on standard error, unless it was the last one said."""
    if what != watch.said:
        watch.said = what
        print(what, file=sys.stderr, flush=True)
