"""The directory of a run's checkpoints: what is whole, what is the latest, what can go.

Owns: names and moves. Knows nothing of what is inside a checkpoint.

A checkpoint is written into `unfinished/` and moved to its name in one step, so that whatever has
a checkpoint's name is whole: a process killed while saving leaves something in `unfinished/`,
which is removed, and the checkpoint before it counts.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

KEPT = 2
"""Checkpoints kept: the latest, and one before it should a disk damage the latest."""

_NAME = re.compile(r"checkpoint-(\d+)")


class Checkpoints:
    """The checkpoints below one directory; a single process writes there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.unfinished = directory / "unfinished"

    def clear_unfinished(self) -> None:
        """Remove what an earlier process left half written or half removed."""
        shutil.rmtree(self.unfinished, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)

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
        """
        written = self.unfinished / f"checkpoint-{step}"
        for file in sorted(written.rglob("*")):
            if file.is_file():
                _to_disk(file)
        _to_disk(written)
        if self.path(step).exists():
            self._remove(self.path(step))
        os.replace(written, self.path(step))
        _to_disk(self.directory)
        for old in self.steps()[:-KEPT]:
            self._remove(self.path(old))

    def best_path(self, step: int) -> Path:
        """Return where the weights of a best step are kept."""
        return self.directory / f"best-{step}.safetensors"

    def keep_best_of(self, steps: set[int]) -> None:
        """Remove the weights of all best steps but these."""
        for path in self.directory.glob("best-*.safetensors"):
            if path not in {self.best_path(step) for step in steps}:
                path.unlink()

    def _remove(self, path: Path) -> None:
        """Remove a checkpoint, which first loses its name."""
        self.unfinished.mkdir(exist_ok=True)
        doomed = self.unfinished / f"removed-{path.name}"
        shutil.rmtree(doomed, ignore_errors=True)
        os.replace(path, doomed)
        shutil.rmtree(doomed)


def _to_disk(path: Path) -> None:
    """Wait until a file's or directory's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
