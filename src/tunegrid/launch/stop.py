"""The wish to stop, as a process that runs a cell hears it.

Owns: the signals of such a process.
"""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import connection as connections
from multiprocessing import parent_process
from types import FrameType

from tunegrid.launch import exits


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
            os._exit(exits.INTERRUPTED)
        self.asked = True

    def _watch(self, sentinel: int) -> None:
        connections.wait([sentinel])
        self.asked = True
