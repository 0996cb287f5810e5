"""A sweep as a list of cells: products of choices, united, without duplicates.

Owns: the expansion of grids. Pure values: knows nothing of Hydra, files or how cells run.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from tunegrid.errors import ConfigError, all_problems

Words = dict[str, Any]


def expand(
    grids: Sequence[Mapping[str, Any]],
    excluded: Sequence[Mapping[str, Any]],
    from_command_line: Mapping[str, Sequence[Any]],
) -> list[Words]:
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
    cells: list[Words] = []
    for grid in grids or [{}]:
        axes = {name: _choices(value) for name, value in grid.items()} | {
            name: list(values) for name, values in from_command_line.items()
        }
        for values in itertools.product(*axes.values()):
            cell = dict(zip(axes, values, strict=True))
            if cell not in cells:
                cells.append(cell)
    return [cells[index] for index in remaining(cells, excluded)]


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
    kept = [
        index
        for index, cell in enumerate(cells)
        if not any(_agrees(cell, exclusion) for exclusion in excluded)
    ]
    if not kept:
        raise ConfigError(
            "the sweep has no cells: every list of choices needs a value, and the exclusions "
            "may not leave nothing"
        )
    return kept


def _choices(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _agrees(cell: Mapping[str, Any], exclusion: Mapping[str, Any]) -> bool:
    return bool(exclusion) and all(
        name in cell and str(cell[name]) in [str(v) for v in _choices(value)]
        for name, value in exclusion.items()
    )
