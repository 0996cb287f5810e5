"""How far training and answering are, from files that are being written at the moment.

Owns: reading the end of a growing file cheaply, and speeds from what was read. A file that was
read before is read again only where it changed. Knows nothing of locks, sweeps or tables.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import TunegridError
from tunegrid.config.functions import find_function
from tunegrid.config.schema import TrainConfig
from tunegrid.evaluation.benchmark import limited
from tunegrid.store import json_files
from tunegrid.training.schedule import total_steps

TAIL_BYTES = 16_384
"""About 40 records of train.jsonl: enough for a speed."""


@dataclass(frozen=True)
class Curve:
    """The last records of a training."""

    step: int
    loss: float
    tokens_per_second: float | None
    steps_per_second: float | None


class Reader:
    """Reads JSON files and tails, and remembers them while size and time stay the same."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Path], tuple[tuple[int, int], Any]] = {}
        self._lines: dict[Path, tuple[int, int]] = {}

    def json(self, path: Path) -> Any:
        """Return the content of a JSON file, or None when it is not there.

        Raises:
            StoreError: no JSON.
        """
        return self._fresh("json", path, json_files.read_json)

    def curve(self, path: Path) -> Curve | None:
        """Return what the end of a train.jsonl says, or None when it says nothing yet."""
        found: Curve | None = self._fresh("curve", path, _curve)
        return found

    def lines(self, path: Path) -> int:
        """Return how many whole lines a growing file has; only what is new is read."""
        offset, count = self._lines.get(path, (0, 0))
        try:
            with path.open("rb") as file:
                if file.seek(0, os.SEEK_END) < offset:
                    # It was begun anew.
                    offset, count = 0, 0
                file.seek(offset)
                while block := file.read(1 << 20):
                    offset += len(block)
                    count += block.count(b"\n")
        except OSError:
            return 0
        self._lines[path] = (offset, count)
        return count

    def _fresh(self, kind: str, path: Path, read: Callable[[Path], Any]) -> Any:
        try:
            status = path.stat()
        except OSError:
            return None
        seen = (status.st_mtime_ns, status.st_size)
        kept = self._kept.get((kind, path))
        if kept is None or kept[0] != seen:
            kept = (seen, read(path))
            self._kept[kind, path] = kept
        return kept[1]


def tail_records(path: Path) -> list[Any]:
    """Return the last records of a JSON lines file that others append to.

    A first line that begins before what was read and a last one that is not finished are left
    out; a file that cannot be read has none.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return []
    records = []
    for line in lines[1:] if size > TAIL_BYTES else lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def _curve(path: Path) -> Curve | None:
    records = [r for r in tail_records(path) if isinstance(r, dict) and r.get("loss") is not None]
    if not records:
        return None
    first, last = records[0], records[-1]
    steps, seconds = last["step"], last.get("seconds")
    if len(records) > 1 and seconds is not None:
        # A checkpoint or a validation between two records is part of the time a step takes.
        steps, seconds = last["step"] - first["step"], seconds - first["seconds"]
    return Curve(
        step=last["step"],
        loss=last["loss"],
        tokens_per_second=last.get("tokens_per_second"),
        steps_per_second=steps / seconds if seconds and seconds > 0 else None,
    )


def planned_steps(manifest: Any, train: Mapping[str, Any]) -> int | None:
    """Return the optimizer steps of a whole training, or None before its examples are counted.

    Args:
        manifest: the run's data.json.
        train: the training settings of its cell.json.
    """
    counted = manifest.get("train_tokens") if isinstance(manifest, dict) else None
    if not counted or not counted.get("examples"):
        return train.get("max_steps")
    names = ("max_steps", "epochs", "examples_per_step")
    settings = TrainConfig(**{name: train[name] for name in names if name in train})
    return total_steps(counted["examples"], settings)


class ItemCounts:
    """How many items a benchmark asks, counted once a benchmark."""

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {}

    def of(self, settings: Mapping[str, Any], limit: int | None) -> int | None:
        """Return the number of items, or None where neither a number nor the file is at hand.

        Args:
            settings: a benchmark's, as a cell.json has them.
            limit: the cell's limit of items.
        """
        key = json.dumps([settings, limit], sort_keys=True, default=str)
        if key not in self._known:
            self._known[key] = _items(settings, limit)
        return self._known[key]


def _items(settings: Mapping[str, Any], limit: int | None) -> int | None:
    stated = settings.get("stated_items")
    if stated is not None:
        return stated if limit is None else min(stated, limit)
    try:
        read = find_function("benchmark", settings["function"])
        benchmark = read(Path(settings["path"]), **settings.get("options", {}))
    except (TunegridError, OSError, KeyError, TypeError, ValueError):
        # Watched from a machine without the file: the count is not shown, nothing else suffers.
        return None
    return len(limited(benchmark, limit).items)


class Speed:
    """The speed of something counted, from what was seen of it since the first look."""

    def __init__(self) -> None:
        self._first: dict[Path, tuple[int, float]] = {}

    def per_second(self, path: Path, count: int, now: float) -> float | None:
        """Return how fast `count` grows, or None before it has grown."""
        before, since = self._first.setdefault(path, (count, now))
        if count < before:
            self._first[path] = (count, now)
            return None
        return (count - before) / (now - since) if count > before and now > since else None
