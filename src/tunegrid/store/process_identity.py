"""What tells one process from all others, also of other machines, boots and containers.

Owns: the words by which a lock names its holder, and whether a process so named still runs. Knows
nothing of locks.

A process number means something inside one boot of one machine and one PID namespace alone: two
containers may have one host name, and each has a process 1.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import psutil

PLACE = ("host", "boot", "pid_namespace")
_IS_LINUX = sys.platform == "linux"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GONE = ("Z", "X")
"""The states of a process in /proc that has ended: a zombie writes nothing."""


def place() -> dict[str, str]:
    """Return where process numbers are this process' own: host, boot and PID namespace.

    What cannot be told is empty; then no process is ever looked up by its number.
    """
    return {"host": socket.gethostname(), "boot": _boot(), "pid_namespace": _pid_namespace()}


def this_process() -> dict[str, Any]:
    """Return the place, the number and the start of this process."""
    return {**place(), "pid": os.getpid(), "started": _start("self" if _IS_LINUX else os.getpid())}


def is_running(named: dict[str, Any]) -> bool | None:
    """Return whether the process named so runs; None where its number says nothing here.

    A process that is stopped counts as running: it may be continued.
    """
    here = place()
    if not all(here.values()) or any(named.get(key) != here[key] for key in PLACE):
        return None
    try:
        pid, started = int(named["pid"]), float(named["started"])
    except (KeyError, TypeError, ValueError):
        return None
    found = _start(pid)
    if found is not None:
        # A process number is used again after a while; the start tells them apart.
        return abs(found - started) < (1.0 if _IS_LINUX else 2.0)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # Another user's, and hidden from this one.
        return None
    # It has ended and waits for its parent, unless it has started this very moment.
    return False


def _boot() -> str:
    """Return what differs after each start of the machine; empty where nothing does."""
    if not _IS_LINUX:
        return str(round(psutil.boot_time()))
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    """Return the name of the PID namespace, empty where /proc shows another one's processes."""
    if not _IS_LINUX:
        return sys.platform
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return ""
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start(pid: int | str) -> float | None:
    """Return when a process began, None when it has ended or cannot be seen.

    On Linux in clock ticks since the boot, which no correction of the clock changes; elsewhere in
    seconds since 1970.
    """
    if not _IS_LINUX:
        try:
            process = psutil.Process(int(pid))
            ended = process.status() == psutil.STATUS_ZOMBIE
            return None if ended else float(process.create_time())
        except psutil.Error:
            return None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in brackets may hold spaces and brackets; state and start are fields 3 and 22.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in _GONE else float(fields[19])
