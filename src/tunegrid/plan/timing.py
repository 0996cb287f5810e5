"""When the files of a run were written: how long its answers took.

Owns: seconds from file times. No stage records how long answering took, and the times of the files
that a stage ends with say it, as long as the run went through without a break and nobody has
copied it: both are checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

HEAD_BYTES = 65536
"""Read of a file of answers; the rest is taken to be like it."""


@dataclass(frozen=True)
class Answers:
    """How one benchmark was answered."""

    mean_new_tokens: float
    tokens_per_second: float | None
    """New tokens; None where the time cannot be told."""


def start_seconds(run: RunDirectory) -> float | None:
    """Return the seconds from a cell's start to its first step, None where they cannot be told."""
    report = run.read(run_files.TRAINED)
    if not _is_unbroken(run, report):
        return None
    return max(0.0, _time(run, run_files.TRAINED) - _time(run, run_files.CELL) - report["seconds"])


def answers(run: RunDirectory) -> dict[str, Answers]:
    """Return how each benchmark of a trained run was answered, by the benchmark's name."""
    is_timed = _is_unbroken(run, run.read(run_files.TRAINED))
    events = sorted(
        path.stat().st_mtime
        for folder in (run_files.PREDICTIONS, run_files.SCORES)
        for path in (run.path / folder).glob("*.json*")
    )
    found = {}
    for path in sorted((run.path / run_files.PREDICTIONS).glob("*.jsonl")):
        head = _head(path)
        if head is None or path.name.endswith(".part.jsonl"):
            continue
        mean, count = head
        seconds = None
        if is_timed:
            ended = path.stat().st_mtime
            before = [time for time in events if time < ended]
            seconds = ended - max([_time(run, run_files.TRAINED), *before])
        rate = mean * count / seconds if seconds is not None and seconds > 0 else None
        found[path.name.rpartition("-")[0]] = Answers(mean, rate)
    return found


def _is_unbroken(run: RunDirectory, report: Mapping[str, Any]) -> bool:
    """Return whether one process ran the cell from its start to its end and its times are its own.

    A later start writes cell.json anew, and copied files are younger than their training was long.
    """
    if report.get("resumed_from") is not None:
        return False
    return _time(run, run_files.TRAINED) - _time(run, run_files.CELL) >= 0.9 * report["seconds"]


def _time(run: RunDirectory, name: str) -> float:
    try:
        return (run.path / name).stat().st_mtime
    except OSError:
        return 0.0


def _head(path: Path) -> tuple[float, int] | None:
    """Return the mean new tokens and the number of answers in a file, from its beginning."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    whole = head[: head.rfind(b"\n") + 1]
    try:
        lengths = [json.loads(line)["new_tokens"] for line in whole.splitlines()]
    except (ValueError, KeyError, TypeError):
        # Likelihoods have no new tokens.
        return None
    if not lengths:
        return None
    count = round(path.stat().st_size / len(whole) * len(lengths))
    return sum(lengths) / len(lengths), count
