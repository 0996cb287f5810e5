"""The rows of a plan and its totals, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tunegrid.cells.identity import Cell
from tunegrid.plan.architecture import Architecture
from tunegrid.plan.examples import Amount
from tunegrid.plan.figures import Figure, Range, total
from tunegrid.plan.progress import Progress, Status


@dataclass(frozen=True)
class Row:
    """The plan of one cell; what another row of its training has counted already is not here."""

    cell: Cell
    sweeps: tuple[str, ...]
    missing: tuple[str, ...]
    progress: Progress
    shares_training: bool
    """Whether an earlier row has the same training."""
    numbers: Architecture | None
    amount: Amount
    device: str
    memory_bytes: Figure
    memory_is_measured: bool
    whole_training: Range | None
    """Hours of one device, as if nothing were done."""
    training: Range | None
    """The part that is left."""
    answering: Range | None
    bases: tuple[str, ...]
    """What the hours rest on: training, then answering."""
    judge_calls: Figure
    judge_cost: float | None
    evaluations: int
    """Benchmarks still to answer or to score."""

    @property
    def hours(self) -> Range | None:
        """Hours of one device that are left."""
        parts = [one for one in (self.training, self.answering) if one is not None]
        return total(parts) if parts else None


@dataclass(frozen=True)
class Totals:
    """A sweep as a whole, everything counted once."""

    named: int
    """Cells that the sweeps name, one counted in each that names it."""
    cells: int
    trainings: int
    untuned: int
    """Bases that are answered as they are."""
    statuses: Mapping[Status, int]
    trainings_left: int
    evaluations_left: int
    training: Range
    answering: Range
    unknown_hours: int
    """Cells whose hours nothing says anything about."""
    judge_calls: Figure
    judge_cost: float | None
    saved_hours: float
    """What training each named cell by itself would take beyond that."""

    @property
    def saved(self) -> int:
        """Cells that are named and cost nothing, because another one has the same training."""
        return self.named - self.trainings - self.untuned


@dataclass(frozen=True)
class Plan:
    """All rows, those of one training together, and their totals."""

    rows: tuple[Row, ...]
    totals: Totals
