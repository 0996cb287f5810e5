"""What a cell's child process does: run the pipeline, stop when asked, say how it ended.

Owns: signals inside the child and the exit codes. torch is loaded by what it calls.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from tunegrid.cells import failure, state, wanted
from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Device, Stage
from tunegrid.config.errors import (
    ConfigError,
    Incomplete,
    Stopped,
    StoreError,
    TunegridError,
    all_problems,
    by_problem,
)
from tunegrid.launch import exits
from tunegrid.launch.stop import StopRequest
from tunegrid.store.lock import Held
from tunegrid.store.run_directory import RunDirectory
from tunegrid.store.run_files import CELL
from tunegrid.store.run_files import FAILED as FAILED_FILE


@dataclass(frozen=True)
class Share:
    """Which part of the machine a cell may take: the slot-th of so many equal ones."""

    slot: int = 0
    of: int = 1
    gpus: tuple[str, ...] | None = None
    """Those of the slot; None where nothing was divided."""
    is_alone: bool = True
    """Whether no other cell was asked for, so that remarks on the machine are said here."""


def run_cell(sender: Connection, cell: Cell, share: Share = Share()) -> None:
    """Run a cell to its end; the exit code says how it ended, `sender` why.

    Exit codes: 0 done, 1 failed, 2 refused by a check, 3 another process works on it, 4 a judge
    left items without a score, 130 stopped when asked.
    """

    def action(stop: StopRequest) -> None:
        from tunegrid.launch import resources
        from tunegrid.launch.distributed import cell as distributed

        if not distributed.is_placed(cell.config):
            resources.take_share(cell.config, share.slot, share.of, share.gpus)
        if share.is_alone:
            _remark([cell])
        if cell.config.stage is Stage.probe:
            _probe(cell, stop)
        else:
            distributed.run(cell, stop)

    _end(sender, action, cell.directory / FAILED_FILE)


def _remark(cells: Sequence[Cell]) -> None:
    """Say on standard error that cells under `auto` compute beside a GPU that is not used."""
    from tunegrid.models.bases import gpu_checks, gpus

    if gpus.driver() is not None and any(c.config.runtime.device is Device.auto for c in cells):
        remark = gpu_checks.remark()
        if remark is not None:
            print(remark, file=sys.stderr, flush=True)


def _probe(cell: Cell, stop: StopRequest) -> None:
    """Measure a few steps of a cell; see `tunegrid.plan.probe`."""
    from tunegrid.cells import pipeline
    from tunegrid.cells.loaded_models import Models
    from tunegrid.cells.stages.train import mixture_of
    from tunegrid.plan import probe

    pipeline.prepare(cell.config)
    probe.probe(cell, Models(cell, RunDirectory(cell.directory)), mixture_of, stop)


def run_together(sender: Connection, cells: Sequence[Cell]) -> None:
    """Predict and score for finished cells of which some share a base; ends as `run_cell` does."""

    def action(stop: StopRequest) -> None:
        from tunegrid.cells import libraries, shared_base

        libraries.prepare_process(cells[0].config)
        shared_base.run_together(cells, stop)

    _end(sender, action, Path(cells[0].config.runtime.results) / "runs")


def _end(sender: Connection, action: Callable[[StopRequest], None], where: Path) -> None:
    """Run an action and end the process with the code that says how; `where` tracebacks are."""
    stop = StopRequest()
    stop.listen()
    code = exits.DONE
    try:
        if stop():
            raise Stopped
        action(stop)
    except Stopped:
        code = exits.INTERRUPTED
    except Held as error:
        code = exits.HELD
        sender.send(str(error))
    except ConfigError as error:
        code = exits.REFUSED
        sender.send(f"ConfigError: {error}")
    except Incomplete as error:
        code = exits.INCOMPLETE
        sender.send(f"StageError: {error}")
    except TunegridError as error:
        code = exits.FAILED
        sender.send(f"{type(error).__name__}: {error}")
    except MemoryError as error:
        code = exits.FAILED
        reason = str(error) or "the process could not get what it asked for"
        sender.send(f"out of memory: {reason} (runtime.memory_limit_gb, or the machine's own)")
    except Exception as error:
        code = exits.FAILED
        hint = f"\nThe traceback is in {where}" if os.path.exists(where) else ""
        sender.send(f"{type(error).__name__}: {error}{hint}")
    sender.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of libraries may still run; everything the cell made is on the disk.
    os._exit(code)


def check_architectures(sender: Connection, cells: list[Cell], elsewhere: bool) -> None:
    """Check many cells on the meta device; exit code 0 or 2, the problems through `sender`.

    Cells that differ in nothing the architecture sees are checked once. A wish to stop ends the
    process at once, because nothing is lost.

    Args:
        sender: takes the problems.
        cells: to be checked.
        elsewhere: whether they will run on other machines, so that this one's devices say nothing.
    """
    stop = StopRequest()
    stop.asked = True
    stop.listen()
    from tunegrid.cells import libraries, preflight

    libraries.quieten_libraries()
    if not elsewhere:
        _remark(cells)
    known: dict[str, list[str]] = {}
    refused: list[tuple[str, str]] = []
    for cell in cells:
        config = cell.config
        for seen, problems in (
            (
                preflight.architecture_key(config),
                partial(preflight.architecture_problems, config, elsewhere=elsewhere),
            ),
            (preflight.data_key(config), partial(preflight.data_problems, config)),
        ):
            if seen not in known:
                try:
                    known[seen] = problems()
                except Exception as error:
                    known[seen] = [f"{type(error).__name__}: {error}"]
            refused += [(cell.train_id, problem) for problem in known[seen]]
    if refused:
        heading = "cells cannot be run; nothing was started"
        sender.send(all_problems(heading, by_problem(refused)))
    sender.close()
    os._exit(exits.REFUSED if refused else exits.DONE)


def death(cell: Cell, code: int) -> str:
    """Return why a child ended that did not say it.

    Args:
        cell: what it ran.
        code: its exit code, below 0 for the signal that ended it.
    """
    if code < 0:
        name = signal.Signals(-code).name
        reason = f"{cell.train_id} was ended by {name}"
    else:
        reason = f"{cell.train_id} ended with exit code {code} and no message"
    if code == -signal.SIGKILL:
        reason += (
            ", which is how a system short of memory ends a process: "
            "lower runtime.micro_batch_tokens or choose quantization=int8 or nf4"
        )
    return reason


def note_failure(cell: Cell, reason: str) -> None:
    """Write failed.json on behalf of a process that died, under the lock it left behind.

    What it was at is the first stage that is not done.
    """
    run = RunDirectory(cell.directory)
    noted = state.of_next_stage(state.of_cell(cell), reason)
    try:
        run.create()
        with run.locked():
            if not run.has(CELL):
                # Without it no table would know of the run.
                run.write(CELL, wanted.record(cell))
            failure.write(run, noted)
    except StoreError:
        # Another launch has the cell already, or the disk is full: the reason is still shown.
        return
