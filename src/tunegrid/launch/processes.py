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
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from tunegrid.cells.identity import Cell
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig
from tunegrid.launch import child, entry, exits, starting, stop

STOPPING = "\nStopping after this step (again: stop now) ..."


class Spare:
    """A process that is started anew, ahead of its task, and imports meanwhile.

    It ends without a trace when it is not needed, or when its parent is killed.
    """

    def __init__(
        self, config: CellConfig, slot: int, of: int, own: Sequence[str] | None = None
    ) -> None:
        context = starting.context()
        orders, self._orders = context.Pipe(duplex=False)
        self.receiver, sender = context.Pipe(duplex=False)
        inbox, self.wishes = context.Pipe(duplex=False)
        shielded = tuple(starting.shielded)
        self.process = context.Process(
            target=entry.wait, args=(orders, sender, inbox, shielded, config, (slot, of, own))
        )
        starting.start(self.process)
        for passed_on in (orders, sender, inbox):
            passed_on.close()

    def take(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> bool:
        """Give the process its task; return whether it lives to take it."""
        try:
            self._orders.send((function, arguments))
        except OSError:
            return False
        return self.process.is_alive()

    def end(self) -> None:
        """End the process, which has no task."""
        self.process.kill()
        self.process.join()
        self._orders.close()


class Child:
    """A child process that runs `function(sender, *arguments)` and may send one last message.

    One that was forked and finds that its CUDA is unusable is started again, anew, and so is
    every later one.
    """

    def __init__(
        self, function: Callable[..., None], *arguments: Any, spare: Spare | None = None
    ) -> None:
        self._task = (function, arguments)
        self.message = ""
        """What it sent last; complete once `code` is not None."""
        self.asked = 0
        """How often it was asked to stop."""
        if spare is not None and spare.take(function, arguments):
            self._receiver, self._wishes = spare.receiver, spare.wishes
            self._process: BaseProcess = spare.process
            self._spare = spare
            self._is_open = True
        else:
            self._start()

    def _start(self) -> None:
        function, arguments = self._task
        context = starting.context()
        self._receiver, sender = context.Pipe(duplex=False)
        inbox, self._wishes = context.Pipe(duplex=False)
        self._process = context.Process(
            target=entry.begin,
            args=(function, sender, inbox, tuple(starting.shielded), *arguments),
        )
        starting.start(self._process)
        sender.close()
        inbox.close()
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
            for _ in range(self.asked):
                self._send_wish()
            return None
        return self._process.exitcode

    def join(self, seconds: float | None = None) -> None:
        """Wait until the process has ended, at most so long."""
        self._process.join(seconds)

    @property
    def is_alive(self) -> bool:
        """Return whether the process still runs."""
        return self._process.is_alive()

    def ask(self) -> None:
        """Ask the process to stop at its next step; a second time, to end at once.

        Returns at once, may be called from a signal handler, and is kept from the first moment.
        """
        self.asked += 1
        self._send_wish()
        if self.asked > 1 and self._process.pid is not None and self._process.is_alive():
            # For what does not listen.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def _send_wish(self) -> None:
        # It may have ended meanwhile.
        with contextlib.suppress(OSError):
            self._wishes.send_bytes(b"stop")


def wait_for(children: Sequence[Child], seconds: float) -> list[Child]:
    """Return the children that have ended, after at most so many seconds."""
    waitables = {child.waitable: child for child in children}
    for ready in connections.wait(list(waitables), timeout=seconds):
        waitables[ready].listen()  # type: ignore[index]
    return [child for child in children if child.code is not None]


def call(function: Callable[..., None], *arguments: Any, announce: bool = True) -> tuple[int, str]:
    """Run `function(connection, *arguments)` in a child; return its exit code and last message.

    A first SIGINT or SIGTERM is passed on as a wish to stop at the next step, a second one stops
    at once. A wish that the child did not obey, because it was about to end, stays for what comes.

    Args:
        function: what the child does.
        arguments: for it.
        announce: whether to say on standard error that it stops.
    """
    children: list[Child] = []
    asked = 0

    def forward(_number: int) -> None:
        nonlocal asked
        asked += 1
        if any(not one.is_alive for one in children) or (not children and asked > 1):
            raise KeyboardInterrupt
        if asked == 1 and announce:
            print(STOPPING, file=sys.stderr)
        for one in children:
            one.ask()

    with on_signals(forward):
        one = Child(function, *arguments)
        children.append(one)
        while one.asked < asked:
            one.ask()
        while one.code is None:
            wait_for([one], 3600)
            if one.code is None and not one.is_alive:
                one.listen()
    if asked and one.code == exits.DONE:
        stop.early.append(signal.SIGTERM)
    return one.code or 0, one.message


@contextlib.contextmanager
def on_signals(act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` with the number of each SIGINT and SIGTERM while inside.

    One that came before, and that nothing has obeyed, counts as well. Children are in process
    groups of their own, so a terminal's Ctrl-C reaches the parent alone.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        act(number)

    previous = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        while stop.early:
            act(stop.early.pop())
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def check_architectures(cells: Sequence[Cell], *, elsewhere: bool = False) -> None:
    """Check the architectures of many cells in one child.

    Args:
        cells: to be checked.
        elsewhere: whether they will run on other machines, so that this one's devices say nothing.

    Raises:
        ConfigError: the problems of all cells that cannot be run.
        KeyboardInterrupt: somebody asked to stop meanwhile.
    """
    if cells:
        code, message = call(child.check_architectures, list(cells), elsewhere, announce=False)
        if code in (exits.INTERRUPTED, -signal.SIGTERM) or stop.early:
            raise KeyboardInterrupt
        if code != exits.DONE:
            raise ConfigError(message or "the check of the architectures was interrupted")
