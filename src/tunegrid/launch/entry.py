"""Where a process of a launch begins, before what it is started for.

Owns: what holds for each such process whatever it does. Never imports torch: its visible GPUs have
to be set before.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tunegrid.launch import exits, starting


def begin(function: Callable[..., None], sender: Connection, *arguments: Any) -> None:
    """Call `function(sender, *arguments)`, unless this process could not use a GPU."""
    refuse_bad_fork()
    function(sender, *arguments)


def refuse_bad_fork() -> None:
    """End the process where its CUDA is unusable; have what it starts begin as it began itself."""
    if starting.was_forked_badly():
        # Nothing was done yet: whoever started it starts it again, anew.
        os._exit(exits.BAD_FORK)
    if type(multiprocessing.current_process()).__name__ == "SpawnProcess":
        starting.fork_no_more()
