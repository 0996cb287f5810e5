"""Runs of the same settings that were trained under earlier rules, which are not taken for these.

Owns: finding them and the words for it. `identity.RULES` says which rules there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunegrid.cells import identity
from tunegrid.cells.identity import Cell
from tunegrid.store.run_names import run_with_hash


def trained_before(cell: Cell) -> str | None:
    """Return the run that a cell had before there were rules; None where there is none."""
    if "text" not in cell.identity:
        return None
    before = {key: value for key, value in cell.identity.items() if key != "text"}
    before["train"] = {key: value for key, value in before["train"].items() if key != "warmup"}
    runs = Path(cell.config.runtime.results) / "runs"
    hashed = identity.short_hash(before)
    return run_with_hash(runs, hashed, hashed)


def said(cells: Sequence[Cell]) -> str | None:
    """Return the line about cells that were trained under earlier rules; None without any."""
    found = [name for cell in cells if (name := trained_before(cell)) is not None]
    if not found:
        return None
    which = (
        f"{found[0]} has the same settings and was"
        if len(found) == 1
        else f"{len(found)} runs, such as {found[0]}, have the settings of these cells and were"
    )
    return (
        f"{which} trained by an earlier version, whose warm-up began at a rate of 0 and which took "
        "control tokens spelled in data for control tokens (docs/decisions/054). What was trained "
        "then stays as it is; the cells are trained anew under names of their own."
    )
