"""How far a cell is: done, running, failed, or what it still needs.

Owns: these words, from the files of a run directory. Loads no torch.
"""

from __future__ import annotations

from tunegrid.cells.identity import Cell, effective_training
from tunegrid.cells.state import Progress
from tunegrid.training import schedule


def share_left(cell: Cell, found: Progress, examples: float | None) -> float:
    """Return the share of a cell's optimizer steps that is still to be trained, from 0 to 1."""
    if found.is_trained:
        return 0.0
    if not found.steps_done or not examples:
        return 1.0
    steps = schedule.total_steps(int(examples), effective_training(cell.config))
    return max(0.0, 1 - found.steps_done / steps)
