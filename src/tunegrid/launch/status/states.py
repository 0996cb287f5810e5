"""The state of one cell, from the files of its run directory alone.

Owns: what each combination of files means. Never writes, holds no lock and loads no torch; a
directory that is damaged or was written by a newer version gets a state that says so, and does
not keep the others from being shown.
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
from tunegrid.config.errors import StoreError
from tunegrid.config.schema import CellConfig
from tunegrid.launch.status.progress import ItemCounts, Reader, Speed, planned_steps
from tunegrid.store import lock, run_files

WAITING, TRAINING, PREDICTING, SCORING = "waiting", "training", "predicting", "scoring"
DONE, SUSPECT, FAILED, STOPPED = "done", "suspect", "failed", "stopped"
UNREADABLE = "unreadable"
RUNNING = (TRAINING, PREDICTING, SCORING)
FINAL = (DONE, SUSPECT, FAILED, UNREADABLE)
HARNESS = "lm_eval"


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
        try:
            found = self._state(cell, empty, now)
        except (StoreError, KeyError, TypeError, AttributeError, ValueError, OSError) as error:
            what = str(error) if isinstance(error, StoreError) else f"a file lacks {error!r}"
            return replace(empty, state=UNREADABLE, remark=f"{cell.directory}: {what}")
        return found

    def _state(self, cell: Watched, empty: State, now: float) -> State:
        record = self.reader.json(cell.directory / run_files.CELL)
        config = cell.config or (record or {}).get("config", {})
        note = None if record is None else newer(record)
        if note is not None and record.get("format") != identity.FORMAT:
            return replace(empty, state=UNREADABLE, remark=note)
        path = cell.directory / run_files.LOCK
        holder = lock.owner(path)
        alive = bool(holder) and lock.is_alive(path, holder)
        report = self.reader.json(cell.directory / run_files.TRAINED)
        trained = report is not None or config["peft"]["function"] is None
        unscored = None if cell.asked is None else self._unscored(cell)
        finished = self._is_finished(cell, trained, unscored)
        trained_facts = replace(
            empty,
            step=(report or {}).get("steps"),
            steps=(report or {}).get("steps"),
            loss=(report or {}).get("last_tenth_loss"),
            tokens_per_second=(report or {}).get("tokens_per_second"),
            remark=note,
        )
        if alive and not finished:
            host = None if holder.get("host") == socket.gethostname() else holder.get("host")
            began = _changed(cell.directory / run_files.CELL) or now
            running = replace(trained_facts, host=host, seconds_taken=max(0.0, now - began))
            if not trained:
                return self._training(cell, running, config)
            return self._evaluating(cell, running, config, unscored, holder, now)
        failure = self.reader.json(cell.directory / run_files.FAILED)
        # A failure belongs to this cell or to one of the same training that is asked other things.
        if finished and (cell.asked or failure is None):
            return self._done(cell, trained_facts, report or {})
        if failure is not None and not self._runs_again(cell):
            return replace(
                self._stopped(cell, trained_facts, config) if not trained else trained_facts,
                state=FAILED, stage=failure.get("stage"), remark=_first_line(failure.get("error")),
            )  # fmt: skip
        if record is None:
            return empty
        left = self._stopped(cell, trained_facts, config) if not trained else trained_facts
        return replace(left, state=WAITING if failure is not None else STOPPED)

    def _unscored(self, cell: Watched) -> str | None:
        """Return the first score that is asked for and not complete, or None."""
        for name in cell.asked or ():
            summary = self.reader.json(cell.directory / run_files.SCORES / f"{name}.json")
            if summary is None or summary.get("incomplete"):
                return name
        return None

    def _is_finished(self, cell: Watched, trained: bool, unscored: str | None) -> bool:
        if cell.asked is not None:
            return trained and unscored is None
        # Without a launch the run's own list of what was asked for has to do.
        named = (self.reader.json(cell.directory / run_files.RESULTS) or {}).get("scores")
        return trained and named is not None

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
        self, cell: Watched, running: State, config: Mapping[str, Any], unscored: str | None,
        holder: Mapping[str, Any], now: float,
    ) -> State:  # fmt: skip
        folder = cell.directory / run_files.PREDICTIONS
        parts = sorted(folder.glob("*.part.jsonl"))
        named = dict(_benchmarks(config))
        if unscored is not None:
            name = next((n for n in sorted(named, key=len, reverse=True)
                         if unscored.startswith(f"{n}-")), HARNESS)  # fmt: skip
            prediction = unscored[: len(name) + 1 + identity.HASH_LENGTH]
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
            rate = self._rate_since_begin(cell, part, count, holder)
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

    def _done(self, cell: Watched, facts: State, report: Mapping[str, Any]) -> State:
        doubts = list(report.get("suspect", []))
        for path in sorted((cell.directory / run_files.SCORES).glob("*.json")):
            if cell.asked is None or path.stem in cell.asked:
                summary = self.reader.json(path)
                doubts += [f"{summary['benchmark']}: {why}" for why in summary.get("suspect", [])]
        began = _changed(cell.directory / run_files.CELL)
        ended = _changed(cell.directory / run_files.RESULTS)
        is_whole = began and ended and ended > max(began, cell.launched)
        taken = ended - began if is_whole and report.get("resumed_from") is None else None  # type: ignore[operator]
        remark = "; ".join([*([facts.remark] if facts.remark else []), *doubts]) or None
        state = SUSPECT if doubts else DONE
        return replace(facts, state=state, seconds_taken=taken, remark=remark)


def _benchmarks(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    settings = config["eval"]
    for name in ("belle", "mmcu"):
        if settings.get(name) is not None:
            yield name, settings[name]
    yield from settings.get("others", {}).items()


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _first_line(text: Any) -> str | None:
    lines = str(text or "").strip().splitlines()
    return lines[0] if lines else None


def newer(record: Mapping[str, Any]) -> str | None:
    """Return what in a cell.json this version does not know and what to do, or None."""
    number = record.get("format", identity.FORMAT)
    if record.get("kind") != run_files.IMPORTED and number != identity.FORMAT:
        return (
            f"cell.json has format {number}, this version reads {identity.FORMAT}: "
            "update tunegrid, or look with the version that wrote it (provenance.json names it)"
        )
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
