"""The state of one cell as a launch that is watched shows it: how far, how fast, how long yet.

Owns: the detail of what runs, and that a failure before a launch is history where the launch runs
it again. What the files of a run mean is said by `cells.state`. Never writes, holds no lock and
loads no torch.
"""

from __future__ import annotations

import dataclasses
import socket
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunegrid.cells import identity
from tunegrid.cells import state as meaning
from tunegrid.cells.state import RunState, Status
from tunegrid.config.errors import StoreError
from tunegrid.config.schema import CellConfig
from tunegrid.launch.status.progress import ItemCounts, Reader, Speed, planned_steps
from tunegrid.store import run_files

WAITING, TRAINING, PREDICTING, SCORING = "waiting", "training", "predicting", "scoring"
DONE, SUSPECT, FAILED, INTERRUPTED = "done", "suspect", "failed", "interrupted"
INCOMPLETE, UNREADABLE = "incomplete", "unreadable"
RUNNING = (TRAINING, PREDICTING, SCORING)
FINAL = (DONE, SUSPECT, FAILED, UNREADABLE)


@dataclass(frozen=True)
class Watched:
    """One cell to look at."""

    train_id: str
    label: str
    directory: Path
    asked: tuple[str, ...] | None
    """Names of the scores that were asked for; None where no launch says so."""
    config: Mapping[str, Any]
    """Its settings, as cell.json has them; empty where they cannot be read."""
    launched: float = 0.0
    """When the launch began, in seconds since the epoch; failures before it are history where
    the launch runs failed cells again."""


@dataclass(frozen=True)
class State:
    """How far one cell is; what is not known is None."""

    train_id: str
    label: str
    state: str
    stage: str | None = None
    """The benchmark that is predicted or scored, or the stage that failed."""
    step: int | None = None
    steps: int | None = None
    """Optimizer steps while training, items while predicting."""
    loss: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    """Of this stage."""
    seconds_taken: float | None = None
    """Running: since the cell began; done: what its last run took."""
    host: str | None = None
    """Who holds the lock."""
    remark: str | None = None


class Looker:
    """Looks at cells again and again; keeps what a look needs from those before."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.items = ItemCounts()
        self.speed = Speed()

    def look(self, cell: Watched, now: float) -> State:
        """Return the state of a cell.

        Args:
            cell: what to look at.
            now: seconds since the epoch.
        """
        empty = State(cell.train_id, cell.label, WAITING)
        found = meaning.of_run(
            cell.directory,
            asked=cell.asked,
            has_method=cell.config["peft"]["function"] is not None if cell.config else None,
            read=self.reader.json,
        )
        if found.status is Status.unreadable:
            return replace(empty, state=UNREADABLE, remark=found.reason)
        try:
            return self._state(cell, empty, found, now)
        except (StoreError, KeyError, TypeError, AttributeError, ValueError, OSError) as error:
            what = str(error) if isinstance(error, StoreError) else f"a file lacks {error!r}"
            return replace(empty, state=UNREADABLE, remark=f"{cell.directory}: {what}")

    def _state(self, cell: Watched, empty: State, found: RunState, now: float) -> State:
        record = self.reader.json(cell.directory / run_files.CELL)
        if record is None and found.status is Status.not_begun:
            return empty
        config = cell.config or (record or {}).get("config", {})
        note = None if record is None else newer(record)
        report = self.reader.json(cell.directory / run_files.TRAINED) or {}
        facts = replace(
            empty,
            step=report.get("steps"),
            steps=report.get("steps"),
            loss=report.get("last_tenth_loss"),
            tokens_per_second=report.get("tokens_per_second"),
            remark=note,
        )
        if found.is_done:
            return self._done(cell, facts, report, found)
        if found.status is Status.running:
            mine = found.holder.get("host") == socket.gethostname()
            host = None if mine else found.holder.get("host")
            began = _changed(cell.directory / run_files.CELL) or now
            running = replace(facts, host=host, seconds_taken=max(0.0, now - began))
            if not found.is_trained:
                return self._training(cell, running, config)
            return self._evaluating(cell, running, config, found, now)
        left = facts if found.is_trained else self._stopped(cell, facts, config)
        if found.status is Status.failed:
            if self._runs_again(cell):
                return replace(left, state=WAITING)
            stage = found.failed.name if found.failed is not None else None
            return replace(left, state=FAILED, stage=stage, remark=found.reason)
        if found.status is Status.incomplete:
            return replace(left, state=INCOMPLETE, remark=found.reason)
        return replace(left, state=WAITING if record is None else INTERRUPTED)

    def _runs_again(self, cell: Watched) -> bool:
        """Return whether a failure is older than the launch, which runs failed cells again."""
        retry = cell.config.get("runtime", {}).get("retry", "failed")
        when = _changed(cell.directory / run_files.FAILED)
        return retry != "none" and when is not None and when < cell.launched

    def _training(self, cell: Watched, running: State, config: Mapping[str, Any]) -> State:
        found = self._stopped(cell, running, config)
        curve = self.reader.curve(cell.directory / run_files.CURVE)
        left = None
        if curve is not None and curve.steps_per_second and found.steps is not None:
            left = max(0, found.steps - curve.step) / curve.steps_per_second
        return replace(found, state=TRAINING, seconds_left=left)

    def _stopped(self, cell: Watched, facts: State, config: Mapping[str, Any]) -> State:
        """Return how far a training is that is not finished."""
        curve = self.reader.curve(cell.directory / run_files.CURVE)
        manifest = self.reader.json(cell.directory / run_files.DATA)
        return replace(
            facts,
            step=None if curve is None else curve.step,
            steps=planned_steps(manifest, config["train"]),
            loss=None if curve is None else curve.loss,
            tokens_per_second=None if curve is None else curve.tokens_per_second,
        )

    def _evaluating(
        self, cell: Watched, running: State, config: Mapping[str, Any], found: RunState, now: float
    ) -> State:
        folder = cell.directory / run_files.PREDICTIONS
        parts = sorted(folder.glob("*.part.jsonl"))
        named = dict(_benchmarks(config))
        at = None if cell.asked is None else found.unfinished
        if at is not None:
            name = at.name
            prediction = at.score_id[: len(name) + 1 + identity.HASH_LENGTH]
            if (folder / f"{prediction}.jsonl").exists():
                return replace(running, state=SCORING, stage=name)
            part = folder / f"{prediction}.part.jsonl"
        elif parts:
            part = max(parts, key=lambda path: _changed(path) or 0.0)
            name = part.name.rpartition("-")[0]
        else:
            return replace(running, state=SCORING)
        count = self.reader.lines(part)
        settings = named.get(name)
        limit = config["eval"].get("limit")
        total = None if settings is None else self.items.of(settings, limit)
        rate = self.speed.per_second(part, count, now)
        if rate is None:
            rate = self._rate_since_begin(cell, part, count, found.holder)
        left = (total - count) / rate if rate and total is not None else None
        return replace(running, state=PREDICTING, stage=name, step=count, steps=total,
                       seconds_left=None if left is None else max(0.0, left))  # fmt: skip

    def _rate_since_begin(
        self, cell: Watched, part: Path, count: int, holder: Mapping[str, Any]
    ) -> float | None:
        """Return answers per second since the stage before, if this process has done both.

        A process that continues answers of another one cannot be timed by its files.
        """
        before = [
            cell.directory / run_files.TRAINED,
            *(cell.directory / run_files.SCORES).glob("*.json"),
        ]
        began = max((when for path in before if (when := _changed(path))), default=None)
        ended = _changed(part)
        if began is None or ended is None or ended <= began or began < holder.get("started", 0.0):
            return None
        return count / (ended - began)

    def _done(
        self, cell: Watched, facts: State, report: Mapping[str, Any], found: RunState
    ) -> State:
        began = _changed(cell.directory / run_files.CELL)
        ended = _changed(cell.directory / run_files.RESULTS)
        is_whole = began and ended and ended > max(began, cell.launched)
        taken = ended - began if is_whole and report.get("resumed_from") is None else None  # type: ignore[operator]
        remark = "; ".join(part for part in (facts.remark, found.reason) if part) or None
        return replace(facts, state=found.status.value, seconds_taken=taken, remark=remark)


def _benchmarks(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, settings in config["eval"].get("benchmarks", {}).items():
        if settings is not None:
            yield name, settings


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def newer(record: Mapping[str, Any]) -> str | None:
    """Return which settings in a cell.json this version does not know and what to do, or None."""
    unknown = sorted(_unknown(record.get("config", {})))
    if unknown:
        return (
            f"a newer tunegrid wrote cell.json: it sets {', '.join(unknown)}, which this version "
            "lacks; update tunegrid before you run the cell again"
        )
    return None


def _unknown(config: Mapping[str, Any]) -> Iterator[str]:
    hints = _HINTS
    for group, values in config.items():
        if group not in hints:
            yield group
        elif dataclasses.is_dataclass(hints[group]) and isinstance(values, dict):
            accepted = {field.name for field in dataclasses.fields(hints[group])}
            yield from (f"{group}.{name}" for name in values if name not in accepted)


_HINTS = typing.get_type_hints(CellConfig)
