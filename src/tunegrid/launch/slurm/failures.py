"""What failed.json says of a cell whose job died before it could say anything itself.

Owns: the sentence made of SLURM's state and the job's log, and writing it on behalf of the dead.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from pathlib import Path

from tunegrid.cells import failure, identity, state, wanted
from tunegrid.cells.failure import Failure
from tunegrid.cells.state import RunState
from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.launch import record
from tunegrid.launch.record import Launch
from tunegrid.launch.slurm.queue import Status
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

NO_PROGRESS = "put back into the queue without any progress"
TAIL_LINES = 30
USR2_EXIT_CODES = ("12:0", "0:12")
"""Of a process that USR2 ended because it was not prepared for it yet."""

_MEMORY = re.compile(r"exceeded memory limit|oom[-_ ]?kill|out of memory|OUT_OF_MEMORY", re.I)
_TIME = re.compile(r"timed-out too many times|DUE TO TIME LIMIT")
_SLURM = re.compile(r"\s*(srun|slurmstepd)\b")
"""Lines that only repeat that the job ended."""
_UNSEEN = re.compile(r"does not see .*cells\.json|could not find submitted jobs")


def of_job(job: str, status: Status | None, log: Path) -> Failure:
    """Return why the cells of a job that is over have no results.

    Args:
        job: its name.
        status: SLURM's; None where it has forgotten the job.
        log: what the job wrote to standard error.
    """
    tail = log_tail(log)
    if status is None:
        what = f"SLURM no longer knows job {job}, which left no result"
    else:
        code = f" (exit code {status.exit_code})" if status.exit_code else ""
        what = f"job {job} ended as {status.state}{code}"
    error = f"{what}: {_advice(status, tail, log)}"
    return Failure("slurm", error, traceback=tail or "")


def _advice(status: Status | None, tail: str | None, log: Path) -> str:
    """Return the likely cause and what to do about it."""
    state = "" if status is None else status.state
    said = tail or ""
    if state == "OUT_OF_MEMORY" or _MEMORY.search(said):
        return (
            "out of memory. Raise hydra.launcher.mem_gb, lower runtime.micro_batch_tokens "
            "(training) or runtime.generation_batch_tokens (evaluation), or choose "
            "quantization=int8 or nf4"
        )
    if NO_PROGRESS in said:
        return (
            f"{NO_PROGRESS}, again and again. Raise hydra.launcher.timeout_min and "
            "hydra.launcher.signal_delay_s: a step and a checkpoint must fit between them"
        )
    early = status is not None and status.exit_code in USR2_EXIT_CODES
    if state in ("TIMEOUT", "DEADLINE") or _TIME.search(said) or early:
        return (
            "out of time. Its checkpoint is kept and the same launch continues it; raise "
            "hydra.launcher.timeout_min (more than hydra.launcher.signal_delay_s and two minutes) "
            "or hydra.launcher.max_num_timeout"
        )
    if state in ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED"):
        return "the cluster took its node away. The same launch continues from its checkpoint"
    if tail is None or _UNSEEN.search(said):
        return (
            f"{log} was not written by the job's node, or not all of it: are the results on a file "
            "system that all nodes share (runtime.results), and does the node have this Python?"
        )
    own = [line.strip() for line in said.splitlines() if line.strip() and not _SLURM.match(line)]
    last = own[-1] if own else ""
    return f"{last or 'it wrote nothing to standard error'}. Its log: {log}"


def log_tail(log: Path) -> str | None:
    """Return the last lines of a log, or None when there is none."""
    try:
        # A progress bar writes over its line; only what it showed last is worth a line here.
        with log.open(encoding="utf-8", errors="replace", newline="\n") as file:
            last = deque(file, maxlen=TAIL_LINES)
            return "".join(line.rstrip("\r\n").rpartition("\r")[2] + "\n" for line in last)
    except OSError:
        return None


def of_this_launch(launch: Launch, index: int, earlier: int | None) -> str | None:
    """Return how a cell failed by itself since the launch, or None.

    Args:
        launch: the launch.
        index: the cell's.
        earlier: when the failed.json of before the launch was written, None without one.
    """
    found = _state(launch, index)
    if found.status is not state.Status.failed or found.failed_at_ns == earlier:
        return None
    return found.reason


def _state(launch: Launch, index: int) -> RunState:
    """Return how far a cell is with what its launch asked of it."""
    entry = launch.entries[index]
    return state.of_run(
        launch.results / "runs" / entry.train_id,
        asked=entry.asked,
        has_method=entry.config["peft"]["function"] is not None,
    )


def write(launch: Launch, index: int, dead: Failure) -> None:
    """Write a cell's failed.json, under the lock that a dead process may have left.

    Raises:
        Held: a living process works on the cell, or one on another machine died so recently that
            its lock still counts.
        StoreError: the directory cannot be written.
    """
    entry = launch.entries[index]
    run = RunDirectory(launch.results / "runs" / entry.train_id)
    run.create()
    # What it was at is the first stage that is not done.
    noted = state.of_next_stage(_state(launch, index), dead.error)
    with run.locked():
        if not run.has(run_files.CELL):
            # Without it no table would list the cell.
            run.write(run_files.CELL, _cell_record(launch, index))
        failure.write(run, replace(noted, traceback=dead.traceback))


def _cell_record(launch: Launch, index: int) -> object:
    """Return the content of a cell.json; without the identity where that has changed."""
    entry = launch.entries[index]
    try:
        return wanted.record(record.frozen_cell(launch, index))
    except (ConfigError, StoreError):
        return {
            "format": identity.FORMAT,
            "train_id": entry.train_id,
            "identity": {},
            "config": entry.config,
        }
