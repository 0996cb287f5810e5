"""Where a process of a launch begins, before what it is started for.

Owns: what holds for each such process whatever it does: its process group, its signals and the
pipe through which it is told to stop. Never imports torch: its visible GPUs have to be set before.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Sequence
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from typing import Any

from tunegrid.cells.libraries import quieten_imports
from tunegrid.config.schema import CellConfig
from tunegrid.launch import exits, preload, resources, starting, stop


def begin(
    function: Callable[..., None],
    sender: Connection,
    inbox: Connection,
    shielded: Collection[signal.Signals],
    *arguments: Any,
) -> None:
    """Call `function(sender, *arguments)`, unless this process could not use a GPU.

    Args:
        function: what the process is started for.
        sender: takes its last message.
        inbox: where it is told to stop.
        shielded: signals that stay blocked.
        arguments: of the function.
    """
    refuse_bad_fork()
    # A group of its own: Ctrl-C in a terminal reaches the parent alone, which passes it on once.
    os.setpgid(0, 0)
    stop.set_inbox(inbox)
    _forget_signals(shielded)
    function(sender, *arguments)


def wait(
    orders: Connection,
    sender: Connection,
    inbox: Connection,
    shielded: Collection[signal.Signals],
    config: CellConfig,
    place: tuple[int, int, Sequence[str] | None],
) -> None:
    """Import what cells import, then begin with the task that arrives; end if none does.

    Args:
        orders: brings a function and its arguments, or ends.
        sender: as in `begin`.
        inbox: as in `begin`.
        shielded: as in `begin`.
        config: of a cell that takes as many GPUs as the one to come.
        place: slot, cells at once and the GPUs of the slot.
    """
    os.setpgid(0, 0)
    _forget_signals(shielded)
    has_begun = threading.Event()
    threading.Thread(target=_end_with_parent, args=(has_begun,), daemon=True).start()
    try:
        resources.take_gpus(config, *place)
        quieten_imports()
        for name in preload.AHEAD:
            importlib.import_module(name)
    except Exception:
        # Whatever it is, the cell meets it again, and says it.
        os._exit(exits.FAILED)
    try:
        function, arguments = orders.recv()
    except (EOFError, OSError):
        os._exit(exits.DONE)
    has_begun.set()
    begin(function, sender, inbox, shielded, *arguments)


def _end_with_parent(has_begun: threading.Event) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connections.wait([parent.sentinel])
        if not has_begun.is_set():
            os._exit(exits.DONE)


def refuse_bad_fork() -> None:
    """End the process where its CUDA is unusable; have what it starts begin as it began itself."""
    if starting.was_forked_badly():
        # Nothing was done yet: whoever started it starts it again, anew.
        os._exit(exits.BAD_FORK)
    if type(multiprocessing.current_process()).__name__ == "SpawnProcess":
        starting.fork_no_more()


def _forget_signals(shielded: Collection[signal.Signals]) -> None:
    """Drop what came while the process began; its parent has passed it on through the inbox.

    It was still in its parent's group then, so that Ctrl-C would have counted twice.
    """
    usual: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    for number in usual:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, set(starting.WHILE_STARTING) - set(shielded))
    for number, handler in usual.items():
        signal.signal(number, handler)
