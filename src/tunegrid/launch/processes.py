"""Child processes: starting one, hearing what it says last, and how it ended.

Owns: the process boundary. Part of the edge; never imports torch itself. A child of its own means
that an out-of-memory kill, a poisoned CUDA context or a logger's global state touches one cell
alone. Whether it is forked or started anew is decided in `tunegrid.launch.starting`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from tunegrid.cells.identity import Cell
from tunegrid.config.errors import ConfigError
from tunegrid.launch import child, entry, exits, starting


class Child:
    """A child process that runs `function(sender, *arguments)` and may send one last message.

    One that was forked and finds that its CUDA is unusable is started again, anew, and so is
    every later one.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        self._task = (function, arguments)
        self.message = ""
        """What it sent last; complete once `code` is not None."""
        self._start()

    def _start(self) -> None:
        function, arguments = self._task
        context = starting.context()
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=entry.begin, args=(function, sender, *arguments))
        starting.start(self._process)
        sender.close()
        self._is_open = True

    @property
    def waitable(self) -> Connection | int:
        """What `wait_for` watches: the message pipe while it is open, then the process."""
        return self._receiver if self._is_open else self._process.sentinel

    def listen(self) -> None:
        """Take a message or the end of the pipe; call when `waitable` is ready."""
        if not self._is_open:
            return
        try:
            while self._receiver.poll():
                self.message = self._receiver.recv()
        except (EOFError, ConnectionResetError):
            self._is_open = False

    @property
    def code(self) -> int | None:
        """The exit code, below 0 for the signal that ended it; None while it runs."""
        if self._is_open:
            return None
        if self._process.exitcode == exits.BAD_FORK:
            starting.fork_no_more()
            self._start()
            return None
        return self._process.exitcode

    def join(self, seconds: float | None = None) -> None:
        """Wait until the process has ended, at most so long."""
        self._process.join(seconds)

    @property
    def is_alive(self) -> bool:
        """Return whether the process still runs."""
        return self._process.is_alive()

    def signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self._process.pid is not None and self._process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def wait_for(children: Sequence[Child], seconds: float) -> list[Child]:
    """Return the children that have ended, after at most so many seconds."""
    waitables = {child.waitable: child for child in children}
    for ready in connections.wait(list(waitables), timeout=seconds):
        waitables[ready].listen()  # type: ignore[index]
    return [child for child in children if child.code is not None]


def call(function: Callable[..., None], *arguments: Any) -> tuple[int, str]:
    """Run `function(connection, *arguments)` in a child; return its exit code and last message.

    A first SIGINT is passed on as a wish to stop at the next step, a second one stops at once.
    """
    one = Child(function, *arguments)
    asked = 0

    def forward(number: int) -> None:
        nonlocal asked
        asked += 1
        if not one.is_alive:
            raise KeyboardInterrupt
        if asked == 1:
            print("\nStopping after this step (again: stop now) ...", file=sys.stderr)
        one.signal(number)

    with on_signals(forward):
        while one.code is None:
            wait_for([one], 3600)
            if one.code is None and not one.is_alive:
                one.listen()
    return one.code or 0, one.message


@contextlib.contextmanager
def on_signals(act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` with the number of each SIGINT and SIGTERM while inside.

    Children are in process groups of their own, so a terminal's Ctrl-C reaches the parent alone.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        act(number)

    previous = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def check_architectures(cells: Sequence[Cell]) -> None:
    """Check the architectures of many cells in one child.

    Raises:
        ConfigError: the problems of all cells that cannot be run.
    """
    if cells:
        code, message = call(child.check_architectures, list(cells))
        if code != exits.DONE:
            raise ConfigError(message or "the check of the architectures was interrupted")
