"""The wish to stop, as the processes of a launch hear it.

Owns: the signals of a process that runs a cell, and the pipe through which whoever started it
passes a wish on. A signal that is sent while a process begins finds nobody who takes it; what is
in the pipe waits there.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import connection as connections
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from types import FrameType

from tunegrid.launch import exits

_inbox: list[Connection] = []
"""Where this process is told of wishes; empty where nobody passes any on."""

early: list[int] = []
"""Signals that came before anything took them as a wish, and that nothing has obeyed."""


def set_inbox(inbox: Connection | None) -> None:
    """Have every later `StopRequest` of this process hear what comes through a pipe."""
    _inbox[:] = [] if inbox is None else [inbox]


def take_early() -> None:
    """Have SIGINT and SIGTERM interrupt this process, as long as nothing else takes them.

    An interruption may be swallowed, where it hits a callback for example; it is remembered until
    something asks for `early`.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        early.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


class StopRequest:
    """Whether somebody asked the cell to stop; asked twice, the process ends at once."""

    def __init__(self) -> None:
        self.asked = False
        self.before_end: Callable[[], None] = lambda: None
        """Called before the process ends at once."""

    def __call__(self) -> bool:
        """Return whether the wish to stop has arrived."""
        return self.asked

    def listen(self) -> None:
        """Take SIGINT, SIGTERM, the inbox and the death of the parent as the wish to stop."""
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)
        for inbox in _inbox:
            while self._has_more(inbox) and inbox.poll():
                self._hear(inbox)
        parent = parent_process()
        sentinels = [] if parent is None else [parent.sentinel]
        if connections.wait(sentinels, timeout=0):
            self.asked = True
        if sentinels or _inbox:
            threading.Thread(
                target=self._watch, args=([*_inbox, *sentinels],), name="wishes", daemon=True
            ).start()

    def wish(self) -> None:
        """Ask the cell to stop; for the second time, end the process."""
        if self.asked:
            self.before_end()
            os._exit(exits.INTERRUPTED)
        self.asked = True

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.wish()

    def _watch(self, sources: list[Connection | int]) -> None:
        while sources:
            for ready in connections.wait(sources):
                if isinstance(ready, Connection):
                    if not self._hear(ready):
                        # Whoever passes wishes on has let go of the pipe: no wish by itself.
                        sources.remove(ready)
                else:
                    self.asked = True
                    return

    def _hear(self, inbox: Connection) -> bool:
        """Take one wish from the pipe; return False at its end."""
        try:
            inbox.recv_bytes()
        except (EOFError, OSError):
            inbox.close()
            return False
        self.wish()
        return True

    def _has_more(self, inbox: Connection) -> bool:
        return not inbox.closed
