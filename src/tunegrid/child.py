"""What a cell's child process does: run the pipeline, stop when asked, say how it ended.

Owns: signals inside the child and the exit codes. torch is loaded by what it calls.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import connection as connections
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from tunegrid.errors import (
    ConfigError,
    Incomplete,
    Stopped,
    StoreError,
    TunegridError,
    all_problems,
    by_problem,
)
from tunegrid.identity import Cell
from tunegrid.lock import Held, Lock
from tunegrid.store import CELL, LOCK, RunDirectory
from tunegrid.store import FAILED as FAILED_FILE

DONE = 0
FAILED = 1
REFUSED = 2
HELD = 3
INCOMPLETE = 4
INTERRUPTED = 130


@dataclass(frozen=True)
class Share:
    """Which part of the machine a cell may take: the slot-th of so many equal ones."""

    slot: int = 0
    of: int = 1


class StopRequest:
    """Whether somebody asked the cell to stop; asked twice, the process ends at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Return whether the wish to stop has arrived."""
        return self.asked

    def listen(self) -> None:
        """Take SIGINT and SIGTERM, and the death of the parent, as the wish to stop."""
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)
        parent = parent_process()
        if parent is not None:
            watcher = threading.Thread(
                target=self._watch, args=(parent.sentinel,), name="parent", daemon=True
            )
            watcher.start()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            os._exit(INTERRUPTED)
        self.asked = True

    def _watch(self, sentinel: int) -> None:
        connections.wait([sentinel])
        self.asked = True


def run_cell(sender: Connection, cell: Cell, share: Share = Share()) -> None:
    """Run a cell to its end; the exit code says how it ended, `sender` why.

    Exit codes: 0 done, 1 failed, 2 refused by a check, 3 another process works on it, 4 a judge
    left items without a score, 130 stopped when asked.
    """

    def action(stop: StopRequest) -> None:
        from tunegrid import distributed, machine

        machine.take_share(cell.config, share.slot, share.of)
        distributed.run(cell, stop)

    _end(sender, action, cell.directory / FAILED_FILE)


def run_together(sender: Connection, cells: Sequence[Cell]) -> None:
    """Predict and score for finished cells of which some share a base; ends as `run_cell` does."""

    def action(stop: StopRequest) -> None:
        from tunegrid import pipeline, shared_base

        pipeline.prepare_process(cells[0].config)
        shared_base.run_together(cells, stop)

    _end(sender, action, Path(cells[0].config.runtime.results) / "runs")


def _end(sender: Connection, action: Callable[[StopRequest], None], where: Path) -> None:
    """Run an action and end the process with the code that says how; `where` tracebacks are."""
    # A group of its own: Ctrl-C in a terminal reaches the parent alone, which passes it on once.
    os.setpgid(0, 0)
    stop = StopRequest()
    stop.listen()
    code = DONE
    try:
        action(stop)
    except Stopped:
        code = INTERRUPTED
    except Held as error:
        code = HELD
        sender.send(str(error))
    except ConfigError as error:
        code = REFUSED
        sender.send(f"ConfigError: {error}")
    except Incomplete as error:
        code = INCOMPLETE
        sender.send(f"StageError: {error}")
    except TunegridError as error:
        code = FAILED
        sender.send(f"{type(error).__name__}: {error}")
    except MemoryError as error:
        code = FAILED
        reason = str(error) or "the process could not get what it asked for"
        sender.send(f"out of memory: {reason} (runtime.memory_limit_gb, or the machine's own)")
    except Exception as error:
        code = FAILED
        hint = f"\nThe traceback is in {where}" if os.path.exists(where) else ""
        sender.send(f"{type(error).__name__}: {error}{hint}")
    sender.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of libraries may still run; everything the cell made is on the disk.
    os._exit(code)


def check_architectures(sender: Connection, cells: list[Cell]) -> None:
    """Check many cells on the meta device; exit code 0 or 2, the problems through `sender`.

    Cells that differ in nothing the architecture sees are checked once.
    """
    os.setpgid(0, 0)
    from tunegrid import pipeline, preflight

    pipeline.quieten_libraries()
    known: dict[str, list[str]] = {}
    refused: list[tuple[str, str]] = []
    for cell in cells:
        seen = preflight.architecture_key(cell.config)
        if seen not in known:
            try:
                known[seen] = preflight.architecture_problems(cell.config)
            except Exception as error:
                known[seen] = [f"{type(error).__name__}: {error}"]
        refused += [(cell.train_id, problem) for problem in known[seen]]
    if refused:
        heading = "cells cannot be run; nothing was started"
        sender.send(all_problems(heading, by_problem(refused)))
    sender.close()
    os._exit(REFUSED if refused else DONE)


def note_death(cell: Cell, code: int) -> str:
    """Write failed.json for a child that ended without saying why; return the reason.

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
    note_failure(cell, reason)
    return reason


def note_failure(cell: Cell, reason: str) -> None:
    """Write failed.json on behalf of a process that died, under the lock it left behind."""
    run = RunDirectory(cell.directory)
    try:
        run.create()
        with Lock(run.path / LOCK):
            if not run.has(CELL):
                # Without it no table would know of the run.
                run.write(CELL, cell.record())
            run.write(FAILED_FILE, {"stage": "unknown", "error": reason, "traceback": ""})
    except StoreError:
        # Another launch has the cell already, or the disk is full: the reason is still shown.
        return
