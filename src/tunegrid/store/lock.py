"""One writer a run directory, also when several machines share the file system.

Owns: the lock file with host, process and heartbeat, and its take-over. Knows nothing of what
is written under it. Advisory byte-range locks are not used: on network file systems they may be
local to a host (see docs/decisions/008-locks.md).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tunegrid.config.errors import StoreError
from tunegrid.store.json_files import disk_errors

HEARTBEAT_SECONDS = 10.0
STALE_AFTER_SECONDS = 120.0
UNREADABLE_AFTER_SECONDS = 5.0
"""A lock that names no holder for so long was left by a machine that went down: locks appear
whole."""


class Held(StoreError):
    """The lock belongs to a process that is alive."""


class Lock:
    """A context manager that holds `path` exclusively.

    Raises:
        Held: another living process holds it.
        StoreError: the lock cannot be written.
    """

    def __init__(self, path: Path, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self.path = path
        self.heartbeat_seconds = heartbeat_seconds
        self.token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._beat: threading.Thread | None = None

    def __enter__(self) -> Lock:
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            while not self._create():
                self._take_over(time.monotonic() - began > UNREADABLE_AFTER_SECONDS)
        self._beat = threading.Thread(target=self._keep_alive, daemon=True)
        self._beat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._beat is not None:
            self._beat.join()
        if owner(self.path).get("token") == self.token:
            self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        """Make the lock file with its content in one step; False when it is already there.

        A hard link of a complete file either appears whole or not at all, on NFS too.
        """
        draft = self.path.with_name(f"{self.path.name}.{self.token}")
        process = psutil.Process()
        content = {
            "host": socket.gethostname(),
            "pid": process.pid,
            "started": process.create_time(),
            "token": self.token,
        }
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(content))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, self.path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def _take_over(self, may_be_unreadable: bool) -> None:
        """Move a dead holder's lock away, or raise Held.

        Args:
            may_be_unreadable: whether a lock that names no holder counts as a dead one's.
        """
        holder = owner(self.path)
        if not holder and not may_be_unreadable:
            time.sleep(0.1)
            return
        if holder and is_alive(self.path, holder):
            raise Held(
                f"{self.path.parent} is being written by process {holder.get('pid')} on "
                f"{holder.get('host')}. Wait for it, or stop it; a lock whose process died is "
                f"taken over by itself (on another machine after {STALE_AFTER_SECONDS:.0f} s)."
            )
        moved = self.path.with_name(f"{self.path.name}.dead.{self.token}")
        try:
            os.rename(self.path, moved)
        except FileNotFoundError:
            return
        # Two processes may both have seen the dead lock; the slower one has just moved the
        # faster one's fresh lock and puts it back.
        if owner(moved).get("token") != holder.get("token"):
            with contextlib.suppress(FileExistsError):
                os.link(moved, self.path)
        moved.unlink()

    def _keep_alive(self) -> None:
        while not self._stop.wait(self.heartbeat_seconds):
            try:
                os.utime(self.path)
            except OSError:
                # A file server may be away for a moment; the next beat tries again.
                continue


def owner(path: Path) -> dict[str, Any]:
    """Return who holds the lock file; empty when there is none or it is unreadable."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_alive(path: Path, holder: dict[str, Any]) -> bool:
    """Return whether the holder lives: its process on this host, else its heartbeat."""
    if holder.get("host") == socket.gethostname():
        try:
            process = psutil.Process(int(holder["pid"]))
            # A process number is used again after a while; the start time tells them apart.
            return (
                abs(process.create_time() - float(holder["started"])) < 2.0
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False
    try:
        return time.time() - path.stat().st_mtime < STALE_AFTER_SECONDS
    except OSError:
        return False


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock file."""
    holder = owner(path)
    return bool(holder) and is_alive(path, holder)


def clear_dead(path: Path) -> bool:
    """Remove a lock whose holder died; return whether nobody holds it now."""
    if not path.exists():
        return True
    try:
        with Lock(path):
            return True
    except Held:
        return False


def check_place(results: Path) -> None:
    """Refuse a results directory in which locks cannot be made.

    Raises:
        StoreError: it cannot be written, or its file system has no hard links.
    """
    probe = results / f".lock-probe.{uuid.uuid4().hex}"
    try:
        with Lock(probe):
            pass
    except OSError as error:
        raise StoreError(
            f"{results} cannot hold locks: {error}. Cells that run at once need a file system with "
            "hard links (local disks and NFS have them); choose another place with "
            "runtime.results=<directory>"
        ) from error
    finally:
        for left in results.glob(f"{probe.name}*"):
            left.unlink(missing_ok=True)
