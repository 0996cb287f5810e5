"""How a process is started: forked from a server that has torch imported, or anew.

Owns: the choice between the two. A process forked from one that has asked CUDA for its devices
cannot use CUDA, and importing bitsandbytes asks; so where a driver is there nothing is forked.
Never imports torch.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkContext, ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from tunegrid.config.project import put_on_module_path
from tunegrid.models.bases import gpus

PRELOADED = "tunegrid.launch.preloaded"

_has_failed: list[bool] = []
"""Not empty once a forked process could not use CUDA, or where this one was started anew."""

WHILE_STARTING = (signal.SIGINT, signal.SIGTERM)
"""Signals that wait until a process has begun, and are dropped then: see `entry.begin`."""

shielded: set[signal.Signals] = set()
"""Signals that never reach the processes of a launch."""


def forks() -> bool:
    """Return whether processes are forked here, not started anew."""
    return not _has_failed and gpus.driver() is None


def fork_no_more() -> None:
    """Start every further process of this one anew."""
    if not _has_failed:
        _has_failed.append(True)


def context() -> ForkServerContext | SpawnContext:
    """Return the context for processes that run cells; its server starts with the first one."""
    if multiprocessing.get_start_method() not in multiprocessing.get_all_start_methods():
        # joblib's own: a child would be told of it and not know it.
        multiprocessing.set_start_method("forkserver", force=True)
    # The server imports before it is told sys.path, so a checkout that is not installed
    # would be preloaded with nothing.
    put_on_module_path()
    if not forks():
        return multiprocessing.get_context("spawn")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([PRELOADED])
    return server


def start(process: BaseProcess) -> None:
    """Start a process of `context`; see `WHILE_STARTING` and `shielded` for its signals.

    Blocked signals are blocked in what is started meanwhile, too.
    """
    blocked = {*WHILE_STARTING, *shielded}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, shielded - set(WHILE_STARTING))
    # The tracker unblocks SIGTERM and SIGINT when it starts, so it goes first; it ignores both.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    is_forked = forks()
    try:
        if is_forked:
            # Forked processes have the mask of the server, which imports behind this call.
            forkserver.ensure_running()
        else:
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if is_forked:
        process.start()


def shield(*signals: signal.Signals) -> None:
    """Keep signals from every process that is started from now on."""
    shielded.update(signals)


def context_of_team() -> ForkContext | SpawnContext:
    """Return the context for the processes of one cell, which the cell's own process starts."""
    torch = sys.modules.get("torch")
    if not forks() or (torch is not None and torch.cuda.is_initialized()):
        put_on_module_path()
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("fork")


def was_forked_badly() -> bool:
    """Return whether this process was forked from one that had asked CUDA for its devices."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda._is_in_bad_fork()
