"""A sweep as a list of cells: products of choices, united, without duplicates.

Owns: the expansion of grids. Pure values: knows nothing of Hydra, files or how cells run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

from tunegrid.config.errors import ConfigError, all_problems

Choices = dict[str, Any]

NO_CELLS = (
    "the sweep has no cells: every list of choices needs a value, and the exclusions may not leave "
    "nothing"
)
MOST_CELLS = 1_000_000
"""Of one grid; what a sweep may have is `runtime.max_cells`, looked at before they are composed."""


def expand(
    grids: Sequence[Mapping[str, Any]],
    excluded: Sequence[Mapping[str, Any]],
    from_command_line: Mapping[str, Sequence[Any]],
) -> list[Choices]:
    """Return the cells of a sweep as settings by name, in the order of the grids.

    Args:
        grids: each maps a setting or group to a value or to a list of choices; the cells of a
            grid are the product of its choices. No grid means one cell before the command line.
        excluded: each maps settings to a value or to a list of values; a cell that agrees with
            all of them is left out.
        from_command_line: choices by setting; they replace a grid's own.

    Raises:
        ConfigError: an exclusion that excludes nothing, or a sweep without cells.
    """
    seen: dict[str, Choices] = {}
    for grid in grids or [{}]:
        axes = {name: _choices(value) for name, value in grid.items()} | {
            name: list(values) for name, values in from_command_line.items()
        }
        size = math.prod(len(values) for values in axes.values())
        if size > MOST_CELLS:
            raise ConfigError(f"a grid of {size:,} cells is a typing error; check its choices")
        for values in itertools.product(*axes.values()):
            cell = dict(zip(axes, values, strict=True))
            seen.setdefault(repr(sorted(cell.items(), key=lambda pair: pair[0])), cell)
    cells = list(seen.values())
    return [cells[index] for index in remaining(cells, excluded)]


def count(
    grids: Sequence[Mapping[str, Any]],
    from_command_line: Mapping[str, Sequence[Any]],
    given: Container[str] = (),
) -> int:
    """Return how many cells grids have, without making one; a choice given twice counts once.

    Args:
        grids: as `expand` takes them.
        from_command_line: choices by setting; they replace a grid's own.
        given: settings with one value for all cells, which replaces a grid's choices.
    """
    total = 0
    for one in grids or [{}]:
        axes = {name: _choices(value) for name, value in one.items() if name not in given} | {
            name: list(values) for name, values in from_command_line.items()
        }
        total += math.prod(len({repr(value) for value in values}) for values in axes.values())
    return total


def remaining(
    cells: Sequence[Mapping[str, Any]], excluded: Sequence[Mapping[str, Any]]
) -> list[int]:
    """Return the places of the cells that no exclusion agrees with.

    Raises:
        ConfigError: an exclusion that excludes nothing, or nothing that remains.
    """
    idle = [
        f"{dict(exclusion)} excludes none of the {len(cells)} cells; check its names and values"
        for exclusion in excluded
        if not any(_agrees(cell, exclusion) for cell in cells)
    ]
    if idle:
        raise ConfigError(all_problems("hydra.sweeper.exclude", idle))
    kept = [index for index, cell in enumerate(cells) if not is_excluded(cell, excluded)]
    if not kept:
        raise ConfigError(NO_CELLS)
    return kept


def is_excluded(cell: Mapping[str, Any], excluded: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether an exclusion agrees with all it names."""
    return any(_agrees(cell, exclusion) for exclusion in excluded)


def _choices(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _agrees(cell: Mapping[str, Any], exclusion: Mapping[str, Any]) -> bool:
    return bool(exclusion) and all(
        name in cell and str(cell[name]) in [str(v) for v in _choices(value)]
        for name, value in exclusion.items()
    )
