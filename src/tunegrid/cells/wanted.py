"""What a cell is to have in the end, by name: the scores it asks for.

Owns: these names, also where a benchmark cannot be read. Loads no torch and looks at no run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tunegrid.cells import identity, requests
from tunegrid.cells.identity import Cell
from tunegrid.cells.stages import lm_eval
from tunegrid.config import schema
from tunegrid.config.choices import Stage
from tunegrid.config.errors import TunegridError

ASKED = "asked"
"""The key of cell.json under which a command writes the scores it asks for. Runs of earlier
versions lack it."""


@dataclass(frozen=True)
class Wanted:
    """One scoring that is asked for."""

    benchmark: str
    score_id: str
    """Empty where it cannot be told."""
    problem: str = ""
    """Why it cannot be told."""


def of_cell(cell: Cell) -> tuple[Wanted, ...]:
    """Return the scores that a cell's stage asks for, in the order in which they are made.

    A benchmark that cannot be read takes its place with the reason instead of a name.
    """
    if cell.config.stage is Stage.train:
        return ()
    found = []
    for name in schema.benchmarks(cell.config):
        try:
            found += [Wanted(name, one.score_id) for one in requests.requests_about(cell, name)]
        except (TunegridError, OSError) as error:
            found.append(Wanted(name, "", _first_line(error)))
    if cell.config.eval.tasks:
        try:
            found.append(Wanted(lm_eval.NAME, lm_eval.score_id(cell)))
        except (OSError, ImportError) as error:
            found.append(Wanted(lm_eval.NAME, "", _first_line(error)))
    return tuple(found)


def named(score_ids: Iterable[str]) -> tuple[Wanted, ...]:
    """Return scores that are known by their names alone, each once."""
    return tuple(Wanted(identity.benchmark_of(name), name) for name in dict.fromkeys(score_ids))


def score_ids(cell: Cell) -> list[str]:
    """Return the names of the scores that a cell asks for, as far as they can be told."""
    return [one.score_id for one in of_cell(cell) if one.score_id]


def benchmarks(cell: Cell) -> set[str]:
    """Return the names of the benchmarks that a cell asks for."""
    return {one.benchmark for one in of_cell(cell)}


def harness_id(cell: Cell) -> str:
    """Return the name of a cell's results of lm-evaluation-harness; empty where none are asked."""
    return next((one.score_id for one in of_cell(cell) if one.benchmark == lm_eval.NAME), "")


def record(cell: Cell) -> dict[str, Any]:
    """Return what cell.json holds while this cell is worked on: its settings and what it asks."""
    return cell.record() | {ASKED: score_ids(cell)}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
