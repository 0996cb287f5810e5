"""The layout of a run directory and the only code that writes into one.

Owns: file names, atomic writes, reading back. Knows nothing of models, benchmarks or configs.

A stage is done if and only if its last file exists: each file is written under another name,
flushed to the disk and renamed, so a reader sees a whole file or none. Inside of `locked` a process
that lost the lock makes nothing more visible, at whatever point it was stopped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunegrid.config.errors import StoreError
from tunegrid.store.json_files import (
    append_line,
    disk_errors,
    json_line,
    json_text,
    read_json,
    read_json_lines,
    to_disk,
    tree_to_disk,
    write_text,
)
from tunegrid.store.lock import Lock, LockLost
from tunegrid.store.run_files import ADAPTER, CELL, CHECKPOINTS, IMPORTED, LOCK, RESULTS

FORMAT = 2
"""Of cell.json and of what identities hold. Raised when cells get other names: `tunegrid migrate`
renames the runs of an earlier format, and a version refuses to write into a newer one's runs."""

EARLIER = (
    "{directory} was named by an earlier version; `tunegrid migrate` gives it its present name, "
    "and trains nothing"
)


class RunDirectory:
    """One cell's directory: `results/runs/<train_id>/`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock: Lock | None = None
        """What this object writes under; None outside of `locked`."""

    @contextmanager
    def locked(self, lock: Lock | None = None) -> Iterator[Lock]:
        """Hold the directory's lock while the block runs; all that this object writes needs it.

        Whatever error a process meets that has lost the lock, it is raised as `LockLost`; this
        object refuses to write from then on.

        Args:
            lock: of this directory, with limits of its own.

        Raises:
            Held: another living process works on the run.
            LockLost: another one does by now.
        """
        with lock or Lock(self.path / LOCK) as held:
            self.lock = held
            try:
                yield held
            except LockLost:
                raise
            except Exception as error:
                _blame_a_lost_lock(held, error)
                raise
            finally:
                if not held.is_lost:
                    self.lock = None

    @property
    def checkpoints(self) -> Path:
        """Where training keeps what it can be continued from."""
        return self.path / CHECKPOINTS

    @property
    def adapter(self) -> Path:
        """Where the trained weights are exported."""
        return self.path / ADAPTER

    def create(self) -> None:
        """Make the directory.

        Raises:
            StoreError: it cannot be made or written.
        """
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".writable.{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()

    def has(self, name: str) -> bool:
        """Return whether the file `name` is there, which means its stage is done."""
        return (self.path / name).exists()

    def read(self, name: str) -> Any:
        """Return the content of the JSON file `name`.

        Raises:
            StoreError: it is missing or no JSON.
        """
        return read_json(self.path / name)

    def write(self, name: str, value: Any) -> None:
        """Write `value` as the JSON file `name`, atomically."""
        text = json_text(value, indent=1) + "\n"
        write_text(self._inside(name), text, self.lock)

    def write_lines(self, name: str, records: Iterable[Any]) -> None:
        """Write one JSON line per record as `name`, atomically."""
        write_text(self._inside(name), "".join(json_line(one) for one in records), self.lock)

    def read_lines(self, name: str) -> list[Any]:
        """Return the records of a JSON lines file; a missing file has none.

        A last line cut off by a kill is left out: its record was never finished.
        """
        return list(read_json_lines(self.path / name))

    def append_line(self, name: str, record: Any) -> None:
        """Append one record to `name`, after repairing what a kill has cut off."""
        append_line(self._inside(name), record, self.lock)

    def drop_lines_after(self, name: str, key: str, last: int) -> None:
        """Keep of `name` the records whose `key` is at most `last` (what a checkpoint knows)."""
        if self.has(name):
            self.write_lines(name, [r for r in self.read_lines(name) if r[key] <= last])

    def remove(self, name: str) -> None:
        """Remove a file or directory of the run; nothing happens when it is not there."""
        path = self._inside(name)
        with disk_errors(path):
            if path.exists():
                _remove(self._moved_away(path))

    @contextmanager
    def replaced_directory(self, name: str) -> Iterator[Path]:
        """Give a fresh directory that becomes `name` when the block ends without an error.

        Its files are on the disk before it has its name, and the name before this returns.
        """
        final = self._inside(name)
        place = self.path if self.lock is None else self.lock.staging
        temporary = place / f"{name}.tmp"
        with disk_errors(final):
            self._require()
            if temporary.exists():
                shutil.rmtree(temporary)
            self.path.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            try:
                yield temporary
            except Exception:
                # On a full disk there is room again, for one thing to say how it failed.
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            tree_to_disk(temporary)
            old = self._moved_away(final) if final.exists() else None
            self._require()
            os.replace(temporary, final)
            to_disk(self.path)
            if old is not None:
                _remove(old)

    def _inside(self, name: str) -> Path:
        """Return the path of a file of this run.

        Raises:
            StoreError: it would lie elsewhere; a name in a configuration may not lead out of here.
        """
        path = self.path / name
        inside = os.path.normpath(path)
        if not inside.startswith(os.path.normpath(self.path) + os.sep):
            raise StoreError(
                f"{name!r} would be written outside of {self.path}; names of benchmarks and judges "
                "become file names and may hold no '/' and no '..'"
            )
        return path

    def _moved_away(self, path: Path) -> Path:
        """Take a file's or directory's name from it in one step; return where it is now."""
        place = path.parent if self.lock is None else self.lock.staging
        away = place / f".removed.{path.name}"
        if away.exists():
            _remove(away)
        self._require()
        os.replace(path, away)
        return away

    def _require(self) -> None:
        if self.lock is not None:
            self.lock.require()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _blame_a_lost_lock(lock: Lock, error: Exception) -> None:
    """Raise LockLost where that is why a process met the error; it may also be its consequence."""
    try:
        lock.require()
    except LockLost as lost:
        raise lost from error
    except StoreError:
        # The disk does not say; the error stands for itself.
        return


def finished_scores(run: RunDirectory) -> list[str] | None:
    """Return the scores the last command asked for, or None when it did not end."""
    try:
        scores = run.read(RESULTS)["scores"] if run.has(RESULTS) else None
    except (StoreError, KeyError, TypeError):
        return None
    return scores if isinstance(scores, list) else None


def other_format(run: RunDirectory) -> str | None:
    """Return why this version cannot go on with a run that another one wrote, or None."""
    try:
        record = run.read(CELL) if run.has(CELL) else {}
    except StoreError:
        return None
    return other_record(run.path, record) if isinstance(record, dict) else None


def other_record(directory: Path, record: Mapping[str, Any]) -> str | None:
    """Return why a run with this cell.json cannot be continued, as `other_format` does."""
    written = record.get("format", 0)
    if not isinstance(written, int) or written == FORMAT or not written:
        return None
    if written < FORMAT:
        return None if record.get("kind") == IMPORTED else EARLIER.format(directory=directory)
    return (
        f"{directory / CELL} has format {written}, and this version writes {FORMAT}: a newer "
        "tunegrid made it. Update this one, or choose another place with "
        "runtime.results=<directory>; the run is untouched"
    )


def finished_runs(results: Path) -> list[RunDirectory]:
    """Return the run directories under `results` in the order of their names."""
    runs = results / "runs"
    if not runs.is_dir():
        return []
    return [RunDirectory(path.parent) for path in sorted(runs.glob(f"*/{CELL}"))]


def strays(results: Path) -> list[tuple[RunDirectory, str]]:
    """Return what lies under `results`/runs and is no run, each with why.

    A hidden file is not looked at, nor a directory that a process is just beginning.
    """
    runs = results / "runs"
    if not runs.is_dir():
        return []
    found = []
    for path in sorted(runs.iterdir()):
        if path.name.startswith(".") or (path / CELL).exists() or (path / LOCK).exists():
            continue
        if not path.is_dir():
            what = "it is a file, and only run directories belong there; move it away from runs/"
        elif not any(path.iterdir()):
            what = "it is an empty directory; remove it"
        else:
            what = f"it has no {CELL} and is no run; move it away from runs/"
        found.append((RunDirectory(path), what))
    return found
