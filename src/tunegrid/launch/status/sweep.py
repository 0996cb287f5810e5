"""A sweep at one moment: the states of its cells, their counts and the time it has left.

Owns: which cells belong to it and what its own time is estimated from. Knows nothing of tables.
"""

from __future__ import annotations

import calendar
import json
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tunegrid.cells.labels import labelled
from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.launch import record as launches
from tunegrid.launch.record import Launch
from tunegrid.launch.status import states
from tunegrid.launch.status.states import Looker, State, Watched
from tunegrid.store import run_directory, run_files

SETTLING_SECONDS = 10.0
"""A launch that has ended and left cells undone is reported after this time without a change:
another launch of the same sweep may be between two of its cells."""


@dataclass(frozen=True)
class Snapshot:
    """A sweep, or all runs, at one moment."""

    name: str
    """`sweep, launched <time>`, or the results directory."""
    cells: tuple[State, ...]
    seconds_left: float | None
    is_over: bool
    """Whether nothing will change any more: every cell is done or failed, or nobody works."""
    note: str | None

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells by state; those that run are one."""
        words = [("running" if s.state in states.RUNNING else s.state) for s in self.cells]
        return dict(Counter(words))

    @property
    def has_failed(self) -> bool:
        """Whether a cell failed or cannot be read."""
        return any(s.state in (states.FAILED, states.UNREADABLE) for s in self.cells)


class SweepWatch:
    """Looks at the cells of the latest launch of a sweep, or at all runs, again and again."""

    def __init__(self, results: Path, sweep: str | None) -> None:
        self.results = results
        self.sweep = sweep
        self._looker = Looker()
        self._launch: Launch | None = None
        self._watched: tuple[Watched, ...] = ()
        self._quiet_since: float | None = None

    def look(self) -> Snapshot:
        """Return the present snapshot.

        Raises:
            ConfigError: the sweep was never launched, or there are no runs.
            StoreError: the record of the launch cannot be read.
        """
        now = time.time()
        self._watched = self._launched() if self.sweep is not None else self._all_runs()
        found = tuple(self._looker.look(cell, now) for cell in self._watched)
        is_over, note = self._ended(found, now)
        name = str(self.results / "runs")
        if self._launch is not None:
            name = f"{self._launch.sweep}, launched {self._launch.started}"
        return Snapshot(name, found, seconds_left(found), is_over, note)

    def _launched(self) -> tuple[Watched, ...]:
        """Return the cells of the latest launch; a new one takes the place of the one before."""
        newest = launches.all_of(self.results)
        known = self._launch.directory if self._launch is not None else None
        if known is not None and [p for p in newest if p.parent.name == self.sweep][-1:] == [known]:
            return self._watched
        launch = launches.latest(self.results, self.sweep)
        self._launch = launch
        labels = entry_labels(launch)
        began = calendar.timegm(time.strptime(launch.started, "%Y-%m-%dT%H:%M:%SZ"))
        return tuple(
            Watched(
                entry.train_id, label, self.results / "runs" / entry.train_id, entry.asked,
                entry.config, float(began),
            )
            for entry, label in zip(launch.entries, labels, strict=True)
        )  # fmt: skip

    def _all_runs(self) -> tuple[Watched, ...]:
        runs = run_directory.finished_runs(self.results)
        if not runs:
            raise ConfigError(
                f"there are no cells under {self.results / 'runs'}; run one with `python run.py`, "
                "or name the directory with --results"
            )
        configs: dict[str, Any] = {}
        for run in runs:
            try:
                record = self._looker.reader.json(run.path / run_files.CELL)
            except StoreError:
                record = None
            if isinstance(record, dict) and record.get("kind") == run_files.IMPORTED:
                continue
            configs[run.path.name] = record.get("config", {}) if isinstance(record, dict) else {}
        labels = _labels(configs)
        return tuple(
            Watched(name, labels[name], self.results / "runs" / name, None, {}) for name in configs
        )

    def _ended(self, cells: Sequence[State], now: float) -> tuple[bool, str | None]:
        """Return whether nothing will change any more, and what to say about it."""
        if all(cell.state in states.FINAL for cell in cells):
            return True, None
        works = any(cell.state in states.RUNNING for cell in cells)
        launch = self._launch
        if works or launch is None or not _has_ended(launch):
            self._quiet_since = None
            return False, None
        if self._quiet_since is None:
            self._quiet_since = now
        note = (
            f"nobody works on it: its launch (process {launch.pid} on {launch.host}) has ended. "
            "The same command continues; nothing finished is run again"
        )
        return now - self._quiet_since >= SETTLING_SECONDS, note


def _has_ended(launch: Launch) -> bool:
    """Return whether the process that launched is known to be gone and to have worked itself."""
    if launch.host != socket.gethostname() or launch.launcher != "basic":
        return False
    try:
        process = psutil.Process(launch.pid)
        began = calendar.timegm(time.strptime(launch.started, "%Y-%m-%dT%H:%M:%SZ"))
        # A process number is used again after a while: this one is younger than the launch.
        return process.create_time() > began + 2 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def entry_labels(launch: Launch) -> list[str]:
    """Return a short label for each cell of a launch: what tells it apart from the others."""
    names = _labels({entry.train_id: entry.config for entry in launch.entries})
    times = Counter(entry.train_id for entry in launch.entries)
    labels = []
    for entry in launch.entries:
        label = names[entry.train_id]
        if times[entry.train_id] > 1:
            # One training evaluated in several ways.
            label += f", {entry.config.get('eval', {}).get('name')}"
        labels.append(label)
    return labels


def _labels(configs: Mapping[str, Any]) -> dict[str, str]:
    labels = {name: name for name in configs}
    whole = {}
    for name, config in configs.items():
        try:
            labelled({name: config})
        except (KeyError, TypeError, AttributeError):
            continue
        whole[name] = config
    return labels | labelled(whole)


def seconds_left(cells: Sequence[State]) -> float | None:
    """Return about how long a sweep still takes with as many cells at once as now, or None.

    A waiting cell is taken to last as long as the mean of those that this launch has finished, a
    running one as long as its stage needs and at least the rest of that mean.
    """
    taken = [c.seconds_taken for c in cells if c.state in (states.DONE, states.SUSPECT)]
    known = [seconds for seconds in taken if seconds is not None]
    running = [c for c in cells if c.state in states.RUNNING]
    open_cells = [
        c for c in cells if c.state in (states.WAITING, states.INTERRUPTED, states.INCOMPLETE)
    ]
    if not running or (not known and (open_cells or any(c.seconds_left is None for c in running))):
        return None
    mean = sum(known) / len(known) if known else 0.0
    rests = [max(c.seconds_left or 0.0, mean - (c.seconds_taken or 0.0)) for c in running]
    return max(max(rests), (sum(rests) + mean * len(open_cells)) / len(running))


def rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return one row a cell, for `--json`."""
    plain: list[dict[str, Any]] = json.loads(
        json.dumps([vars(cell) for cell in snapshot.cells], default=str)
    )
    return plain
