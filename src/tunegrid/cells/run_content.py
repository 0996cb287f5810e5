"""What a run directory says of itself: its small JSON files, its lock and its names, read.

Owns: reading them, through a reader that may keep what it has read. What they mean together is
said by `cells.state`. Never opens answers, weights or curves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.cells import failure, wanted
from tunegrid.cells.failure import Failure
from tunegrid.config.errors import StoreError
from tunegrid.store import json_files, lock, run_files
from tunegrid.training.checkpoints import Checkpoints

Read = Callable[[Path], Any]
"""Returns the content of a JSON file, None where there is none; raises StoreError for no JSON.
One that keeps what it has read makes looking again and again cheap."""


MEND = (
    "Remove the file and run the cell's command again: its stage is repeated, the stages before "
    "it are kept."
)


@dataclass(frozen=True)
class Files:
    """What a run directory holds, read."""

    directory: Path
    record: Mapping[str, Any] | None
    results: Mapping[str, Any] | None
    report: Mapping[str, Any] | None
    """train.json."""
    failure: Failure | None
    failed_at_ns: int | None
    holder: Mapping[str, Any]
    has_dead_lock: bool
    read: Read


def read_if_there(path: Path) -> Any:
    """Return the content of a JSON file, or None when it is not there.

    Raises:
        StoreError: no JSON.
    """
    try:
        return json_files.read_json(path)
    except StoreError:
        if path.exists():
            raise
        return None


def read_files(directory: Path, read: Read) -> Files:
    """Return what a run directory holds; a file that is not there is None.

    Raises:
        StoreError: a file is no JSON object.
    """
    path = directory / run_files.LOCK
    owner = lock.owner(path)
    is_alive = bool(owner) and lock.is_alive(path, owner)
    noted = json_object(directory / run_files.FAILED, read)
    return Files(
        directory=directory,
        record=json_object(directory / run_files.CELL, read),
        results=json_object(directory / run_files.RESULTS, read),
        report=json_object(directory / run_files.TRAINED, read),
        failure=None if noted is None else failure.parsed(noted),
        failed_at_ns=failure.written_at_ns(directory),
        holder=owner if is_alive else {},
        has_dead_lock=not is_alive and path.exists(),
        read=read,
    )


def json_object(path: Path, read: Read) -> Mapping[str, Any] | None:
    """Return the content of a JSON file, or None when it is not there.

    Raises:
        StoreError: it is no JSON object.
    """
    content = read(path)
    if content is not None and not isinstance(content, dict):
        raise StoreError(f"{path} holds no JSON object. {MEND}")
    return content


def last_asked(files: Files) -> list[str] | None:
    """Return the scores that the last command asked of a run, or None where nothing says so."""
    asked = (files.record or {}).get(wanted.ASKED)
    if asked is None and files.results is not None:
        asked = files.results["scores"]
    if asked is not None and not isinstance(asked, list):
        raise StoreError(f"{files.directory}: the scores it was asked for are no list. {MEND}")
    return asked


def scored(directory: Path) -> list[str]:
    """Return the names of the scores that are there, whoever asked for them."""
    return sorted(path.stem for path in (directory / run_files.SCORES).glob("*.json"))


def is_to_train(files: Files, has_method: bool | None) -> bool:
    """Return whether a run has something to train; `has_method` of None leaves it to cell.json."""
    if has_method is not None or files.record is None:
        return has_method is not False
    if files.record.get("kind") == run_files.IMPORTED:
        return False
    return files.record["config"]["peft"]["function"] is not None


def answered(directory: Path) -> frozenset[str]:
    """Return the names of the answers that were begun; none of them is read."""
    found = (directory / run_files.PREDICTIONS).glob("*.jsonl")
    return frozenset(path.name.removesuffix(".jsonl").removesuffix(".part") for path in found)


def steps_done(directory: Path) -> int:
    """Return the optimizer steps that a checkpoint of a run holds."""
    return max(Checkpoints(directory / run_files.CHECKPOINTS).steps(), default=0)
