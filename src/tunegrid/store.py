"""The layout of a run directory and the only code that writes into one.

Owns: file names, atomic writes, reading back. Knows nothing of models, benchmarks or configs.

A stage is done if and only if its last file exists: each file is written as `<name>.tmp`, flushed
to the disk and renamed, so a reader sees a whole file or none.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunegrid.errors import StoreError

FORMAT = 1
"""Of cell.json and of what it names; a version refuses to write into a newer one's runs."""
CELL = "cell.json"
PROVENANCE = "provenance.json"
DATA = "data.json"
CURVE = "train.jsonl"
CHECKPOINTS = "checkpoint"
ADAPTER = "adapter"
TRAINED = "train.json"
PREDICTIONS = "predictions"
SCORES = "scores"
RESULTS = "results.json"
"""Names the scores the last command asked for; there once all of them are."""
FAILED = "failed.json"
IMPORTED = "imported"
"""The `kind` of a run directory whose answers were made elsewhere."""
LOCK = ".lock"
ATTEMPTS = "attempts.jsonl"
"""One line when a process begins to work on the run, one when it has trained it."""
REPLACED = "replaced"
"""Below the results directory: what runs had before they were run again on purpose."""


class RunDirectory:
    """One cell's directory: `results/runs/<train_id>/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
        write_text(self.path / name, json.dumps(value, ensure_ascii=False, indent=1) + "\n")

    def write_lines(self, name: str, records: Iterable[Any]) -> None:
        """Write one JSON line per record as `name`, atomically."""
        write_text(self.path / name, "".join(json_line(record) for record in records))

    def read_lines(self, name: str) -> list[Any]:
        """Return the records of a JSON lines file; a missing file has none.

        A last line cut off by a kill is left out: its record was never finished.
        """
        return list(read_json_lines(self.path / name))

    def append_line(self, name: str, record: Any) -> None:
        """Append one record to `name`; the directory has one writer, who holds its lock."""
        path = self.path / name
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json_line(record))

    def drop_lines_after(self, name: str, key: str, last: int) -> None:
        """Keep of `name` the records whose `key` is at most `last` (what a checkpoint knows)."""
        if self.has(name):
            self.write_lines(name, [r for r in self.read_lines(name) if r[key] <= last])

    def remove(self, name: str) -> None:
        """Remove a file or directory of the run; nothing happens when it is not there."""
        path = self.path / name
        with disk_errors(path):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @contextmanager
    def replaced_directory(self, name: str) -> Iterator[Path]:
        """Give a fresh directory that becomes `name` when the block ends without an error."""
        final, temporary = self.path / name, self.path / f"{name}.tmp"
        with disk_errors(final):
            for leftover in (temporary, final):
                if leftover.exists():
                    shutil.rmtree(leftover)
            temporary.mkdir(parents=True)
            yield temporary
            os.replace(temporary, final)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a failing disk into a StoreError that says which path and what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}. Earlier files are intact. "
            "Free space or fix the permissions, or choose another place with "
            "runtime.results=<directory>; then run the same command again."
        ) from error


def json_line(record: Any) -> str:
    """Return a record as one line of JSON with its newline."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is whole or absent, and on the disk before this returns."""
    temporary = path.with_name(path.name + ".tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        StoreError: missing, unreadable or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot read {path}: {error}. Remove the file and run the cell's command again: "
            "its stage is repeated, the stages before it are kept."
        ) from error


def read_text(path: Path) -> str:
    """Return the text of a file of ours.

    Raises:
        StoreError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path}: {error}") from error


def read_json_lines(path: Path) -> Iterator[Any]:
    """Yield the records of a JSON lines file, leaving out a last line that was cut off.

    Raises:
        StoreError: a line before the last is no JSON.
    """
    if not path.exists():
        return
    # Not `splitlines`: answers may hold U+2028 and its kin, which JSON leaves as they are.
    *lines, last = read_text(path).split("\n")
    for number, line in enumerate([*lines, *filter(None, [last])], start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            if number > len(lines):
                return
            raise StoreError(f"{path}, line {number} is no JSON: {line[:80]!r}") from error


def finished_scores(run: RunDirectory) -> list[str] | None:
    """Return the scores the last command asked for, or None when it did not end."""
    try:
        scores = run.read(RESULTS)["scores"] if run.has(RESULTS) else None
    except (StoreError, KeyError, TypeError):
        return None
    return scores if isinstance(scores, list) else None


def newer_format(run: RunDirectory) -> str | None:
    """Return why a run cannot be continued: a newer version of this program wrote it; else None."""
    try:
        written = run.read(CELL).get("format", 0) if run.has(CELL) else 0
    except (StoreError, AttributeError):
        return None
    if not isinstance(written, int) or written <= FORMAT:
        return None
    return (
        f"{run.path / CELL} has format {written}, and this version writes {FORMAT}: a newer "
        "tunegrid made it. Update this one, or choose another place with "
        "runtime.results=<directory>; the run is untouched"
    )


def finished_runs(results: Path) -> list[RunDirectory]:
    """Return the run directories under `results` in the order of their names."""
    runs = results / "runs"
    if not runs.is_dir():
        return []
    return [RunDirectory(path.parent) for path in sorted(runs.glob(f"*/{CELL}"))]
