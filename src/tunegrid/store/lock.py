"""One writer a run directory, also when several machines and containers share the file system.

Owns: the lock file with its holder, its heartbeat and its take-over. Knows nothing of what is
written under it. Advisory byte-range locks are not used: on network file systems they may be
local to a host (see docs/decisions/008-locks.md and 041-locks-with-a-fence.md).

A holder lives while its process runs, where process numbers are our own (one host, boot and PID
namespace); anywhere else while its heartbeat is younger than the limit that stands in its lock. A
living process that was silent for longer loses its lock and finds out by `Lock.require`, which
every writer calls right before each visible step. What holds even if it is stopped between that
question and the step is the `Fence`.

Taking over is a race that one wins: the heir of a dead lock is whoever makes
`<lock>.after.<token>`, a lock like any other, which the winner renames to the lock's own name.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from tunegrid.config.errors import StoreError
from tunegrid.store import process_identity
from tunegrid.store.fence import Fence, beside, remove_leftovers
from tunegrid.store.json_files import disk_errors

HEARTBEAT_SECONDS = 10.0
STALE_AFTER_SECONDS = 120.0
UNREADABLE_AFTER_SECONDS = 5.0
"""A lock that names no holder for so long was left by a machine that went down: locks appear
whole."""
_UNREADABLE = "unreadable"
_AFTER, _DRAFT = ".after.", ".draft."


class Held(StoreError):
    """The lock belongs to a process that is alive."""


class LockLost(Held):
    """The lock was this process' own and is another's now: it may write nothing more."""


class Lock:
    """A context manager that holds `path` exclusively; can be entered once.

    Args:
        path: of the lock file, in the directory that it protects.
        heartbeat_seconds: between two signs of life.
        stale_after_seconds: of silence, after which others may take over where they cannot look
            for the process itself. Stands in the lock, so that all judge it by the same limit.
        has_lines: whether files of lines below the directory are appended to under this lock.

    Raises:
        Held: another living process holds it.
        StoreError: the lock cannot be written.
    """

    def __init__(
        self,
        path: Path,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        stale_after_seconds: float = STALE_AFTER_SECONDS,
        *,
        has_lines: bool = True,
    ) -> None:
        self.path = path
        self.heartbeat_seconds = heartbeat_seconds
        self.stale_after_seconds = stale_after_seconds
        self.token = uuid.uuid4().hex
        self._fence = Fence(path, self.token, has_lines=has_lines)
        self._draft = path.with_name(f"{path.name}{_DRAFT}{self.token}")
        self._passed_over: list[str] = []
        """Tokens of the dead whose place this one took."""
        self._written = 0.0
        """When this process last wrote into the directory, by the clock that stamps files."""
        self._lost = False
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._keep_alive, daemon=True)

    def __enter__(self) -> Lock:
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._claim(self.path)
            try:
                # From here on: ending an earlier holder may take longer than the limit.
                os.utime(self.path)
                self._beat.start()
                if not self._fence.establish(self._names_this, self._passed_over):
                    self._lost = True
                    raise LockLost(self._why_lost())
                self._remove_remains()
            except BaseException as error:
                self._end_heartbeat()
                if isinstance(error, OSError) and not self._names_this():
                    # It slept here for so long that the next one has ended it.
                    self._lost = True
                    raise LockLost(self._why_lost()) from error
                # What is left of the fence tells the next holder to begin anew.
                self._take_away(self.path, self._draft)
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_heartbeat()
        # Into the staging directory: a holder that was ended has none, and removes nobody's lock.
        self._take_away(self.path, self.staging / "released")
        self._fence.take_down()

    @property
    def staging(self) -> Path:
        """The directory of what is being written; renamed out of it, it becomes visible."""
        return self._fence.staging

    @property
    def is_lost(self) -> bool:
        """Whether the lock is known to be another's; asks nobody."""
        return self._lost

    def require(self) -> None:
        """Return only while the lock is this process' own; called right before each visible step.

        Raises:
            LockLost: it is not; the process may write nothing more.
            StoreError: the file system does not say.
        """
        if not self._lost:
            with disk_errors(self.path):
                self._lost = not (self._names_this() and self._fence.stands())
        if self._lost:
            raise LockLost(self._why_lost())

    def _why_lost(self) -> str:
        holder = owner(self.path)
        if not holder:
            now = "the lock file is gone: was the run moved or removed, or finished by another?"
        else:
            now = f"{described(holder)} holds it now"
        return (
            f"{self.path.parent} is no longer this process' to write (process {os.getpid()}): {now}"
            f". A process that cannot be looked at loses its lock after "
            f"{self.stale_after_seconds:.0f} s without a sign of life. This one writes nothing more"
        )

    def _claim(self, path: Path) -> None:
        """Make `path` this process' own, or raise Held; of several processes one succeeds."""
        began = time.monotonic()
        while not self._create(path):
            holder = owner(path)
            if not holder and time.monotonic() - began < UNREADABLE_AFTER_SECONDS:
                time.sleep(0.1 if path.exists() else 0)
                continue
            if holder and is_alive(path, holder, self._written):
                raise Held(
                    f"{self.path.parent} is being written by {described(holder)}. Wait for it, or "
                    "stop it; a lock whose process died is taken over by itself (from another "
                    f"machine or container after {_limit(holder):.0f} s)."
                )
            if self._inherit(path, _token_in(holder)):
                return

    def _inherit(self, path: Path, token: str) -> bool:
        """Take the place of the dead holder of that token; False where others were faster."""
        heir = path.with_name(f"{self.path.name}{_AFTER}{token}")
        self._claim(heir)
        # As long as the heir's file is this process' own, nobody else can replace the dead lock;
        # but that may have happened before.
        if _token(path) != token:
            self._take_away(heir, self._draft)
            return False
        try:
            os.rename(heir, path)
        except FileNotFoundError:
            # Its own heir, having seen this one dead, was here and moved it on.
            return False
        self._passed_over.append(token)
        return _token(path) == self.token

    def _create(self, path: Path) -> bool:
        """Make the lock file with its content in one step; False when it is already there.

        A hard link of a complete file either appears whole or not at all, on NFS too.
        """
        content = {
            **process_identity.this_process(),
            "token": self.token,
            "stale_after_seconds": self.stale_after_seconds,
        }
        with self._draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(content))
            file.flush()
            os.fsync(file.fileno())
            self._written = os.fstat(file.fileno()).st_mtime
        try:
            os.link(self._draft, path)
        except (FileExistsError, FileNotFoundError):
            # Without a draft, this process slept so long that it was taken for dead.
            return False
        finally:
            self._draft.unlink(missing_ok=True)
        return True

    def _take_away(self, path: Path, to: Path) -> None:
        """Remove a lock file if it is this process' own; put it back if it has just passed on."""
        try:
            if _token(path) != self.token:
                return
            os.rename(path, to)
        except OSError:
            # Gone, or this holder was ended and has nothing to take away.
            return
        if _token(to) != self.token:
            # Where there is a new one, its holder ends the one that lost its file.
            with contextlib.suppress(OSError):
                os.link(to, path)
        to.unlink(missing_ok=True)

    def _remove_remains(self) -> None:
        """Remove what claimants that died have left; one that lives sees that the race is over."""
        for path in beside(self.path, _AFTER):
            if not path.name.endswith(self.token):
                path.unlink(missing_ok=True)
        for path in beside(self.path, _DRAFT):
            if not is_alive(path, owner(path), self._written):
                path.unlink(missing_ok=True)

    def _names_this(self) -> bool:
        """Return whether the lock file names this holder.

        Raises:
            OSError: it cannot be told.
        """
        return _token(self.path) == self.token

    def _keep_alive(self) -> None:
        while not self._stop.wait(self.heartbeat_seconds):
            # A file server may be away for a moment; the next beat tries again.
            with contextlib.suppress(OSError):
                if not self._names_this():
                    self._lost = True
                    return
                os.utime(self.path)

    def _end_heartbeat(self) -> None:
        self._stop.set()
        if self._beat.is_alive():
            self._beat.join()


def described(holder: dict[str, Any]) -> str:
    """Return the words for a holder: its process, host and, where it is not ours, namespace."""
    here = process_identity.place()
    words = f"process {holder.get('pid')} on {holder.get('host')}"
    namespace = holder.get("pid_namespace")
    if holder.get("host") == here["host"] and namespace and namespace != here["pid_namespace"]:
        words += f" (another container: {namespace})"
    return words


def _token(path: Path) -> str | None:
    """Return the token in a lock file; None when there is none, `unreadable` for other content.

    Raises:
        OSError: the file system does not say.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return _UNREADABLE
    return _token_in(content)


def _token_in(content: Any) -> str:
    """Return the token that a lock file's content names, where it is one."""
    token = content.get("token") if isinstance(content, dict) else None
    # It becomes part of a file's name.
    return token if isinstance(token, str) and token.isalnum() else _UNREADABLE


def owner(path: Path) -> dict[str, Any]:
    """Return who holds the lock file; empty when there is none or it is unreadable."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_alive(path: Path, holder: dict[str, Any], now: float | None = None) -> bool:
    """Return whether the holder lives: its process where it can be seen, else its heartbeat.

    Args:
        path: of the lock file, whose time of change is the heartbeat.
        holder: its content.
        now: seconds since 1970 by the clock of the file system; None takes this machine's.
    """
    is_running = process_identity.is_running(holder)
    if is_running is not None:
        return is_running
    try:
        beat = path.stat().st_mtime
    except OSError:
        return False
    return (time.time() if now is None else now) - beat < _limit(holder)


def _limit(holder: dict[str, Any]) -> float:
    """Return the seconds of silence after which a holder counts as dead."""
    given = holder.get("stale_after_seconds")
    return float(given) if isinstance(given, int | float) else STALE_AFTER_SECONDS


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock file."""
    holder = owner(path)
    return bool(holder) and is_alive(path, holder)


def clear_dead(path: Path) -> bool:
    """Remove a lock whose holder died; return whether nobody holds it now."""
    if not any(beside(path)):
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
        with Lock(probe) as lock:
            lock.require()
    except StoreError as error:
        reason = error.__cause__ or error
        raise StoreError(
            f"{results} cannot hold locks: {reason}. Cells that run at once need a file system "
            "with hard links (local disks and NFS have them); choose another place with "
            "runtime.results=<directory>"
        ) from error
    finally:
        remove_leftovers(probe)
