"""Composed configuration to typed, checked cell with its identity.

Owns: the step from OmegaConf to plain dataclasses. Part of the edge:
imports OmegaConf, never torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tunegrid.cells import identity, preflight
from tunegrid.cells.identity import Cell
from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.config.schema import CellConfig
from tunegrid.store.inputs import locate


@dataclass(frozen=True)
class Draft:
    """A cell as far as it can be known without its inputs."""

    cell: Cell
    absent: tuple[str, ...]
    """Inputs that do not lie here: bases, collections, benchmarks. Where there are some, the
    cell's name holds until they are there."""
    refused: tuple[str, ...]
    """Why the cell could not be run."""


def checked(config: CellConfig, project: Path, working_directory: Path) -> Cell:
    """Return the cell of a plain configuration; see `from_composed`."""
    found = examined(config, project, working_directory)
    if isinstance(found, Cell):
        return found
    raise ConfigError(all_problems("the cell cannot be run", found))


def examined(config: CellConfig, project: Path, working_directory: Path) -> Cell | list[str]:
    """Return the cell of a plain configuration, or why it cannot be run."""
    problems = _placed(config, project, working_directory, None)
    problems += preflight.settings_problems(config)
    return problems or _named(config, project, planning=False)


def drafted(config: CellConfig, project: Path, working_directory: Path) -> Draft:
    """Return a plain configuration as a cell that is only looked at, whatever is wrong with it.

    Nothing needs to be here: no base, no collection, no benchmark; nothing is asked over the
    network.
    """
    absent: list[str] = []
    problems = _placed(config, project, working_directory, absent)
    problems += preflight.settings_problems(config, planning=True)
    absent += preflight.absent_base(config)
    return Draft(_named(config, project, planning=True), tuple(absent), tuple(problems))


def _placed(
    config: CellConfig, project: Path, working_directory: Path, absent: list[str] | None
) -> list[str]:
    """Make the paths of `config` absolute; return what is wrong with them."""
    config.runtime.results = os.path.abspath(working_directory / config.runtime.results)
    return locate.resolve_paths(config, (working_directory, project), absent)


def _named(config: CellConfig, project: Path, planning: bool) -> Cell:
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    identified = identity.train_identity(config, locate.hashes(config, cache, planning))
    return Cell(config, identity.train_id(config, identified), identified, project)


@dataclass(frozen=True)
class Planned:
    """A cell to plan."""

    cell: Cell
    sweeps: tuple[str, ...] = ()
    """The sweeps that name it."""
    missing: tuple[str, ...] = ()
    """Inputs that are not on this machine."""
    refused: str | None = None
    """Why it cannot be launched; None where it can."""
