"""Runs each cell in a child process that has torch already imported.

Owns: the process boundary: starting, stopping and reading the end of a child. Part of the edge;
never imports torch itself. A child of its own means that an out-of-memory kill, a poisoned CUDA
context or a logger's global state touches one cell alone. Children are forked from a server
process that imported torch once, so a cell costs no second import.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from tunegrid import child, pipeline
from tunegrid.errors import ConfigError
from tunegrid.identity import Cell
from tunegrid.schema import Stage
from tunegrid.store import RunDirectory
from tunegrid.tables.show import print_cell

PRELOADED = "tunegrid.preload"

_server: ForkServerContext | None = None


def server() -> ForkServerContext:
    """Return the context that forks children; its server starts with the first child."""
    global _server
    if _server is None:
        _server = multiprocessing.get_context("forkserver")
        _server.set_forkserver_preload([PRELOADED])
        source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        # The server imports before it is told sys.path, so a checkout that is not installed
        # would be preloaded with nothing.
        if source not in paths:
            os.environ["PYTHONPATH"] = os.pathsep.join([source, *filter(None, paths)])
    return _server


def run_cell(cell: Cell) -> int:
    """Run one cell in a child process, print its results, return the exit code.

    A finished cell is not run again: its results are printed without loading torch.
    """
    if is_finished(cell):
        print(f"{cell.train_id} is finished already; nothing was run.", file=sys.stderr)
        print_cell(RunDirectory(cell.directory), cell.config.stage)
        return child.DONE
    code, message = call(child.run_cell, cell)
    if message:
        print(f"\n{message}", file=sys.stderr)
    if code == child.DONE:
        print_cell(RunDirectory(cell.directory), cell.config.stage)
    elif code == child.INTERRUPTED:
        print(
            "\nStopped. Nothing is lost but the steps since the last checkpoint; "
            "the same command continues.",
            file=sys.stderr,
        )
    elif code < 0:
        reason = child.note_killed(cell, -code)
        print(f"\n{reason}", file=sys.stderr)
        code = child.FAILED
    return code


def is_finished(cell: Cell) -> bool:
    """Return whether nothing is left to do for a cell; loads no torch."""
    return cell.config.stage is not Stage.check and pipeline.is_finished(cell)


def asked_name(cell: Cell) -> str:
    """Return what tells two cells of a sweep apart: the training and the scores asked for."""
    return " ".join([cell.train_id, *(asked.score_id for asked in pipeline.asked_of(cell))])


def check_architectures(cells: Sequence[Cell]) -> None:
    """Check the architectures of many cells in one child.

    Raises:
        ConfigError: the problems of all cells that cannot be run.
    """
    if cells:
        code, message = call(child.check_architectures, list(cells))
        if code != child.DONE:
            raise ConfigError(message or "the check of the architectures was interrupted")


def call(function: Callable[..., None], *arguments: Any) -> tuple[int, str]:
    """Run `function(connection, *arguments)` in a child; return its exit code and last message.

    A first SIGINT is passed on as a wish to stop at the next step, a second one stops at once.
    """
    context = server()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(sender, *arguments))
    with _signals_for(process):
        process.start()
        sender.close()
        message = _last_message(receiver)
        process.join()
    return process.exitcode or 0, message


def _last_message(receiver: Connection) -> str:
    """Return what the child sent last; it ends when the child closes its end or dies."""
    message = ""
    while True:
        try:
            message = receiver.recv()
        except (EOFError, ConnectionResetError):
            return message


@contextlib.contextmanager
def _signals_for(process: BaseProcess) -> Iterator[None]:
    """Pass SIGINT and SIGTERM on to the child, which is in a process group of its own."""
    asked = 0

    def forward(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if process.pid is None or not process.is_alive():
            raise KeyboardInterrupt
        if asked == 1:
            print("\nStopping after this step (again: stop now) ...", file=sys.stderr)
        os.kill(process.pid, signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    previous = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
