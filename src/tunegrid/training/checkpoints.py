"""The directory of a run's checkpoints: what is whole, what is the latest, what can go.

Owns: names and moves. Knows nothing of what is inside a checkpoint.

A checkpoint is written into `unfinished/` and moved to its name in one step, so that whatever has
a checkpoint's name is whole: a process killed while saving leaves something in `unfinished/`,
which is removed, and the checkpoint before it counts. Under a lock that directory is the holder's
own, and moving a checkpoint out of it fails once the lock is another's.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunegrid.store.json_files import Writer, disk_errors, to_disk, tree_to_disk

KEPT = 2
"""Checkpoints kept: the latest, and one before it should a disk damage the latest."""

_NAME = re.compile(r"checkpoint-(\d+)")


class Checkpoints:
    """The checkpoints below one directory; a single process writes there.

    Args:
        directory: theirs alone.
        writer: who holds the lock that covers the directory, where there is one.
    """

    def __init__(self, directory: Path, writer: Writer | None = None) -> None:
        self.directory = directory
        self._writer = writer
        place = directory if writer is None else writer.staging
        self.unfinished = place / "unfinished"

    def clear_unfinished(self) -> None:
        """Remove what an earlier process left half written or half removed.

        Raises:
            LockLost: another process writes here by now.
        """
        self._require()
        for place in {self.unfinished, self.directory / "unfinished"}:
            shutil.rmtree(place, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Write something into `unfinished/`; it is removed where that fails.

        A full disk then has room again for the note that says how the run failed.

        Args:
            what: the name that it will have.

        Raises:
            StoreError: the disk refuses.
        """
        try:
            with disk_errors(self.directory / what):
                yield
        except Exception:
            shutil.rmtree(self.unfinished, ignore_errors=True)
            raise

    def steps(self) -> list[int]:
        """Return the steps of the whole checkpoints, in order."""
        if not self.directory.is_dir():
            return []
        found = (_NAME.fullmatch(path.name) for path in self.directory.iterdir())
        return sorted(int(match.group(1)) for match in found if match is not None)

    def path(self, step: int) -> Path:
        """Return where the checkpoint of a step is, or would be."""
        return self.directory / f"checkpoint-{step}"

    def publish(self, step: int) -> None:
        """Give the checkpoint in `unfinished/` its name, then remove all but the latest `KEPT`.

        The files reach the disk before the name does, so that a power cut leaves no empty ones.

        Raises:
            LockLost: another process writes here by now; nothing was published.
        """
        written = self.unfinished / f"checkpoint-{step}"
        self._require()
        tree_to_disk(written)
        if self.path(step).exists():
            self._remove(self.path(step))
        self._require()
        os.replace(written, self.path(step))
        to_disk(self.directory)
        for old in self.steps()[:-KEPT]:
            self._remove(self.path(old))

    def best_path(self, step: int) -> Path:
        """Return where the weights of a best step are kept."""
        return self.directory / f"best-{step}.safetensors"

    def publish_best(self, written: Path, step: int) -> None:
        """Give the weights of a best step, written into `unfinished/`, their name.

        Raises:
            LockLost: another process writes here by now; nothing was published.
        """
        self._require()
        to_disk(written)
        self._require()
        os.replace(written, self.best_path(step))

    def keep_best_of(self, steps: set[int]) -> None:
        """Remove the weights of all best steps but these."""
        for path in self.directory.glob("best-*.safetensors"):
            if path not in {self.best_path(step) for step in steps}:
                self._remove(path)

    def _remove(self, path: Path) -> None:
        """Remove a checkpoint or the weights of a best step, which first lose their name."""
        self._require()
        self.unfinished.mkdir(exist_ok=True)
        doomed = self.unfinished / f"removed-{path.name}"
        shutil.rmtree(doomed, ignore_errors=True)
        self._require()
        os.replace(path, doomed)
        if doomed.is_dir():
            shutil.rmtree(doomed)
        else:
            doomed.unlink()

    def _require(self) -> None:
        if self._writer is not None:
            self._writer.require()
