"""What tables need to know of a run, read once and remembered.

Owns: `results/.cache/rows/`, one small file a run. It is a cache: it may be removed at any time,
and what does not fit the files of its run is read anew. One file a run, replaced whole, so that
any number of processes may write at once, also on a network file system.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tunegrid import __version__
from tunegrid.config.errors import StoreError
from tunegrid.store import json_files, run_directory, run_files
from tunegrid.store.run_directory import RunDirectory

FORMAT = f"3 {run_directory.FORMAT} {__version__}"
"""Of the cache's files; those of another version are read as if they were not there."""
UNREADABLE = "unreadable"
PLACE = Path(".cache") / "rows"
_LOOKED_INTO = (run_files.SCORES, run_files.PREDICTIONS, run_files.CHECKPOINTS)

Facts = dict[str, Any]
Stamp = list[Any]


class Memory:
    """Remembers facts of runs for as long as it lives; each file of answers is read once."""

    def __init__(self) -> None:
        self._facts: dict[Path, Facts] = {}
        self._digests: dict[str, str] = {}

    def facts(self, run: RunDirectory, read: Callable[[RunDirectory], Facts]) -> Facts:
        """Return what `read` returns of a run, or returned before.

        Raises:
            StoreError: a file of the run cannot be read.
        """
        if run.path not in self._facts:
            self._facts[run.path] = read(run)
        return self._facts[run.path]

    def answers(self, path: Path) -> str:
        """Return a digest of what a file of answers says, whatever batches they came in."""
        key = f"{path}|{_stamp(path)}"
        if key not in self._digests:
            self._digests[key] = self._digest(path)
        return self._digests[key]

    def _digest(self, path: Path) -> str:
        digest = hashlib.sha256()
        for record in json_files.read_json_lines(path):
            said = record.get("text", record.get("likelihoods"))
            digest.update(json_files.json_line(said).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


class Index(Memory):
    """Remembers facts of runs on the disk, by size and time of the files they were read from."""

    def __init__(self, results: Path) -> None:
        super().__init__()
        self._directory = results / PLACE

    def facts(self, run: RunDirectory, read: Callable[[RunDirectory], Facts]) -> Facts:
        """Return what `read` returns of a run, or returned while its files were the same."""
        if run.path in self._facts:
            return self._facts[run.path]
        stamp = stamp_of(run.path)
        kept = self._kept(run.path.name)
        if kept.get("stamp") == stamp:
            found: Facts = kept["facts"]
        else:
            found = read(run)
            # A run that is being written may have changed while it was read.
            is_readable = UNREADABLE not in found.get("state", ())
            if is_readable and stamp_of(run.path) == stamp:
                self._keep(run.path.name, {"stamp": stamp, "facts": found})
        self._facts[run.path] = found
        return found

    def _digest(self, path: Path) -> str:
        name = f"{path.parents[1].name}@{path.stem}"
        stamp = _stamp(path)
        kept = self._kept(name)
        if kept.get("stamp") == stamp:
            return str(kept["facts"]["digest"])
        found = super()._digest(path)
        self._keep(name, {"stamp": stamp, "facts": {"digest": found}})
        return found

    def _kept(self, name: str) -> dict[str, Any]:
        try:
            kept = json.loads((self._directory / f"{name}.json").read_text(encoding="utf-8"))
            is_ours = kept["format"] == FORMAT and kept["seal"] == _seal(kept["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return dict(kept) if is_ours else {}

    def _keep(self, name: str, content: dict[str, Any]) -> None:
        """Remember; a cache that cannot be written costs time, nothing else."""
        path = self._directory / f"{name}.json"
        draft = path.with_name(f".{name}.{os.getpid()}")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not synced: what a crash cuts off is read anew.
            sealed = {"format": FORMAT, "seal": _seal(content["facts"])} | content
            draft.write_text(json.dumps(sealed), encoding="utf-8")
            os.replace(draft, path)


def _seal(facts: Any) -> str:
    """Return what tells whole facts from damaged ones."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def stamp_of(directory: Path) -> Stamp:
    """Return names, sizes and times of the files of a run that tables are made from."""
    found: list[tuple[str, int, int]] = []
    for folder in (directory, *(directory / name for name in _LOOKED_INTO)):
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat()
                    size = 0 if entry.is_dir() else status.st_size
                    found.append((f"{folder.name}/{entry.name}", size, status.st_mtime_ns))
    # As JSON gives it back. A lock comes and goes without changing what the files say.
    return [list(one) for one in sorted(found) if not one[0].endswith(f"/{run_files.LOCK}")]


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    return [path.name, status.st_size, status.st_mtime_ns]
