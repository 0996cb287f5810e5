"""What keeps a writer that lost its lock from writing, however long it slept.

Owns: the staging directory of each holder of a lock, and how a new holder ends those of earlier
ones. Knows nothing of who holds the lock, of heartbeats or of what is written.

To ask "is the lock still mine?" and then to write leaves a window: a process that is stopped in
between wakes up after the lock has passed on. No file system offers both as one step, but a rename
needs its source. So every holder prepares what it writes in a staging directory of its own, named
after its token, and each visible step is one rename out of it, or into it for what goes. A new
holder first makes its own staging directory, then ends all others: it moves them away, empties
them, and goes on only when they are gone. From then on no rename of an earlier holder finds its
source, wherever it was stopped. Clocks and heartbeats decide who should hold a lock; they have no
part in this.

Lines are appended in place, without a rename. There the order is: open the file, ask whether the
staging directory stands, write. A new holder gives every file of lines a new inode after it has
ended the others, so that what an earlier one opened is no longer the file that anybody reads.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tunegrid.config.errors import StoreError
from tunegrid.store.json_files import to_disk

ENDING_SECONDS = 60.0
"""How long a new holder tries to empty an earlier one's staging directory: while that one writes
into it, files may appear that have to go as well."""
_WRITING = ".writing."
_APPENDED = "*.jsonl"
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


class Fence:
    """The staging directory of one holder, beside its lock file.

    Args:
        lock: the path of the lock file; all below its directory is fenced.
        token: the holder's own; no other holder ever has it.
        has_lines: whether lines are appended below that directory; without, none is looked for.
    """

    def __init__(self, lock: Path, token: str, *, has_lines: bool = True) -> None:
        self._lock = lock
        self._has_lines = has_lines
        self.staging = _staging(lock, token)
        # Whoever was ended may make its directory again without knowing, but never this file.
        self._sign = self.staging / "held"

    def establish(self, still_holds: Callable[[], bool], earlier: Iterable[str]) -> bool:
        """End all earlier holders; return whether this one may write now.

        Args:
            still_holds: whether the lock is this holder's own, read anew.
            earlier: tokens of earlier holders that are known.

        Raises:
            OSError: the file system refuses; the next holder begins anew.
            StoreError: an earlier holder's files cannot be removed.
        """
        self.staging.mkdir()
        self._sign.write_bytes(b"")
        known = {_staging(self._lock, token) for token in earlier}
        found = {p for p in known if p.exists()} | set(beside(self._lock, _WRITING))
        # A holder that was passed over before it came here lists those after it as well. Only
        # while the lock is its own, all that it has listed belong to earlier holders.
        if not still_holds():
            self.take_down()
            return False
        ended = sorted(found - {self.staging})
        for number, path in enumerate(ended):
            self._end(path, self.staging / f"ended-{number}")
        if ended and self._has_lines:
            self._renew_appended()
        return self.stands()

    def stands(self) -> bool:
        """Return whether no later holder has ended this one.

        Asks the file server, not its cache: the sign is changed, not only looked at.
        """
        try:
            os.utime(self._sign)
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise
        return True

    def take_down(self) -> None:
        """Remove the staging directory of a holder that writes nothing more."""
        shutil.rmtree(self.staging, ignore_errors=True)

    def _end(self, path: Path, away: Path) -> None:
        """Move an earlier holder's staging directory away and empty it."""
        try:
            os.rename(path, away)
        except FileNotFoundError:
            # It, or this holder's own directory, is gone already.
            return
        deadline = time.monotonic() + ENDING_SECONDS
        while away.exists():
            shutil.rmtree(away, ignore_errors=True)
            # NFS keeps a file that a process of this machine has open under such a name. Of this
            # machine: it sees the directory's new name at once, and finds nothing under the old.
            left = [entry for entry in away.rglob("*") if not entry.is_dir()]
            if left and all(entry.name.startswith(".nfs") for entry in left):
                return
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{path} of an earlier process cannot be removed (now {away}); end that "
                    "process or remove the directory, then run the same command again"
                )

    def _renew_appended(self) -> None:
        """Give each file of lines a new inode: what an earlier holder opened is out of the way."""
        copy = self.staging / "renewed"
        for path in sorted(self._lock.parent.rglob(_APPENDED)):
            try:
                shutil.copy2(path, copy)
                to_disk(copy)
                os.replace(copy, path)
            except FileNotFoundError:
                if not self.stands():
                    return
                raise


def remove_leftovers(lock: Path) -> None:
    """Remove a lock file with all that belongs to it, of a directory that nobody uses any more."""
    for path in beside(lock):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def beside(lock: Path, ending: str = "") -> Iterator[Path]:
    """Yield the files and directories whose name begins with the lock's and this ending."""
    for path in lock.parent.iterdir():
        if path.name.startswith(f"{lock.name}{ending}"):
            yield path


def _staging(lock: Path, token: str) -> Path:
    return lock.with_name(f"{lock.name}{_WRITING}{token}")
