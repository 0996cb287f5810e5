"""Running a sweep: what is left of it, on which launcher, and how it ended.

Owns: skipping, retrying, the record of the launch and the table at the end. Part of the edge.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.cells import earlier, state, wanted
from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Retry, Stage
from tunegrid.config.errors import ConfigError, StoreError, all_problems
from tunegrid.config.schema import RuntimeConfig
from tunegrid.launch import record as launches
from tunegrid.launch import resources, runner
from tunegrid.launch.outcomes import DONE, FAILED, INTERRUPTED, NOT_STARTED, Outcome
from tunegrid.launch.sweep_cells import Member, Members
from tunegrid.store import fence, run_directory, run_files
from tunegrid.store.lock import Lock
from tunegrid.store.run_directory import RunDirectory

ONE_FOR_ALL = ("results", "parallel", "retry", "fail_fast", "max_cells", "detach", "cells_per_job")
"""Settings of a sweep as a whole: its cells may not differ in them."""

RunFrozen = Callable[[launches.Launch, Sequence[int]], Sequence[Outcome]]


@dataclass(frozen=True)
class Split:
    """The cells of a sweep by what is to be done."""

    done: tuple[Member, ...]
    kept_failed: tuple[Member, ...]
    """Failed before, and not to be run again."""
    waiting: tuple[Member, ...]


def counted(members: Members) -> str:
    """Return how many cells a sweep has, and what became of those that are named repeatedly."""
    number, repeated = len(members.cells), members.named - len(members.cells)
    if not repeated:
        return f"{number} cells"
    if number == 1:
        return (
            f"1 cell: all {members.named} combinations are this one, because they differ in "
            "nothing it depends on"
        )
    return f"{number} cells ({members.named} are named, {repeated} of them duplicates)"


def settings(members: Sequence[Member]) -> RuntimeConfig:
    """Return the runtime settings of a sweep as a whole.

    Raises:
        ConfigError: cells that differ in them, or that cannot run at once here.
    """
    first = members[0].cell.config.runtime
    differing = [
        f"runtime.{name} has several values ({', '.join(sorted(values))}); give the sweep one"
        for name in ONE_FOR_ALL
        if len(values := {str(getattr(one.cell.config.runtime, name)) for one in members}) > 1
    ]
    if differing:
        raise ConfigError(all_problems("settings of a sweep as a whole differ", differing))
    return first


def split(members: Sequence[Member], retry: Retry) -> Split:
    """Return what of a sweep is done, stays failed, and is to be run.

    Raises:
        StoreError: runs that a newer version wrote; nothing was started.
    """
    _refuse_newer(members)
    done, kept, waiting = [], [], []
    for member in members:
        if retry is Retry.all:
            waiting.append(member)
            continue
        found = state.of_cell(member.cell)
        if found.is_done and member.cell.config.stage is not Stage.probe:
            done.append(member)
        elif retry is Retry.none and found.status is state.Status.failed:
            kept.append(member)
        else:
            waiting.append(member)
    # Cells of one base follow one another, so that its files stay in the page cache.
    waiting.sort(key=_base)
    return Split(tuple(done), tuple(kept), tuple(waiting))


def _base(member: Member) -> tuple[str, str]:
    config = member.cell.config
    return config.model.path, config.quantization.precision.value


def _refuse_newer(members: Sequence[Member]) -> None:
    newer = [
        problem
        for path in dict.fromkeys(one.cell.directory for one in members)
        if (problem := run_directory.other_format(RunDirectory(path))) is not None
    ]
    if newer:
        raise StoreError(all_problems("this version cannot go on with these runs", newer))


def set_aside(members: Sequence[Member]) -> None:
    """Move what runs have out of their way, to `replaced/` beside `runs/`: nothing is lost.

    Raises:
        Held: one of them is being run.
    """
    now = time.strftime("%Y-%m-%d_%H-%M-%S")
    there = [path for path in dict.fromkeys(m.cell.directory for m in members) if path.exists()]
    with contextlib.ExitStack() as held:
        # All of them before the first is moved: what another launch works on stays whole.
        locks = [held.enter_context(Lock(directory / run_files.LOCK)) for directory in there]
        for directory, own in zip(there, locks, strict=True):
            kept = directory.parents[1] / run_files.REPLACED / directory.name / now
            kept.parent.mkdir(parents=True, exist_ok=True)
            own.require()
            os.rename(directory, kept)
            fence.remove_leftovers(kept / run_files.LOCK)


def run(
    parts: Split,
    one: RuntimeConfig,
    record: launches.Launch,
    run_frozen: RunFrozen | None,
    on_end: Callable[[], None] | None = None,
) -> list[Outcome]:
    """Run what waits; return the outcomes of all cells that are not done from before.

    Args:
        parts: the sweep.
        one: its settings as a whole.
        record: the launch, whose cells begin with the waiting ones in their order.
        run_frozen: a launcher of ours; None runs the cells on this machine.
        on_end: called whenever cells have ended on this machine.
    """
    before = earlier.said([one.cell for one in parts.waiting if not one.cell.directory.exists()])
    if before is not None:
        say(before)
    indices = list(range(len(parts.waiting)))
    if run_frozen is not None:
        outcomes = list(run_frozen(record, indices))
    else:
        outcomes = runner.run_cells(
            [member.cell for member in parts.waiting],
            parallel=one.parallel,
            fail_fast=one.fail_fast,
            on_end=on_end,
        )
    remaining = [
        Outcome(
            member.cell.train_id,
            FAILED,
            f"{state.of_cell(member.cell).reason} (before this launch; runtime.retry=none)",
        )
        for member in parts.kept_failed
    ]
    return [*outcomes, *remaining]


def still_there(members: Sequence[Member], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes as the files have them: what is done must be there at the end.

    Args:
        members: the cells that were run.
        outcomes: of these cells, in their order; further ones are left as they are.
    """
    checked = [
        Outcome(one.train_id, FAILED, "its run is not whole; was it moved or changed?")
        if one.state == DONE and not _is_there(member.cell)
        else one
        for member, one in zip(members, outcomes, strict=False)
    ]
    return [*checked, *outcomes[len(checked) :]]


def _is_there(cell: Cell) -> bool:
    # A probe leaves nothing in the run directory; another launch may be asking the run more.
    if cell.config.stage is Stage.probe:
        return True
    found = state.of_cell(cell)
    return found.is_done or found.status is state.Status.running


def from_disk(members: Sequence[Member]) -> list[Outcome]:
    """Return how cells ended that one of Hydra's own launchers ran."""
    return [_ended(member.cell) for member in members]


def _ended(cell: Cell) -> Outcome:
    if cell.config.stage is Stage.probe:
        # It leaves nothing in the run directory.
        return Outcome(cell.train_id, DONE)
    found = state.of_cell(cell)
    if found.is_done:
        return Outcome(cell.train_id, DONE)
    if found.status in state.BAD:
        return Outcome(cell.train_id, FAILED, found.reason)
    begun = found.status is not state.Status.not_begun
    return Outcome(cell.train_id, INTERRUPTED if begun else NOT_STARTED, found.reason)


def refuse_impossible(one: RuntimeConfig, configs: Sequence[Any], is_local: bool) -> None:
    """Refuse settings that cannot hold on this machine or launcher.

    Raises:
        ConfigError: they cannot.
    """
    problems = resources.problems_at_once(configs) if is_local else []
    if one.detach and is_local:
        problems.append(
            "runtime.detach=true submits to SLURM and ends; choose hydra/launcher=slurm, or leave "
            "it false"
        )
    if problems:
        raise ConfigError(all_problems("the sweep cannot be run here", problems))


def record(
    directory: Path, sweep: str, launcher: str, members: Sequence[Member]
) -> launches.Launch:
    """Write what is launched, and return it."""
    if (directory / launches.CELLS).exists():
        # Two launches within one second.
        directory = directory.with_name(f"{directory.name}-{os.getpid()}")
    return launches.write(
        directory,
        sweep,
        launcher,
        [(member.words.all, member.cell, asked_scores(member.cell)) for member in members],
    )


def asked_scores(cell: Cell) -> list[str]:
    """Return the names of the scores a cell is asked for, those of lm-evaluation-harness too."""
    return wanted.score_ids(cell)


def say(line: str) -> None:
    """Print a line on standard error."""
    print(line, file=sys.stderr, flush=True)
