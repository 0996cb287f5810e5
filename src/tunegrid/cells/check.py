"""Composed configuration to typed, checked cell with its identity.

Owns: the step from OmegaConf to plain dataclasses. Part of the edge:
imports OmegaConf, never torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tunegrid.cells import identity, preflight
from tunegrid.cells.identity import Cell
from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.config.schema import CellConfig, is_api
from tunegrid.store.inputs import locate
from tunegrid.store.inputs.hub_commit import cached_commit, commit_of


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
    problems = problems or _pin(config, commit_of)
    return problems or _named(config, project, planning=False)


def drafted(config: CellConfig, project: Path, working_directory: Path) -> Draft:
    """Return a plain configuration as a cell that is only looked at, whatever is wrong with it.

    Nothing needs to be here: no base, no collection, no benchmark; nothing is asked over the
    network.
    """
    absent: list[str] = []
    problems = _placed(config, project, working_directory, absent)
    problems += preflight.settings_problems(config, planning=True)
    _pin(config, cached_commit)
    absent += preflight.absent_base(config)
    return Draft(_named(config, project, planning=True), tuple(absent), tuple(problems))


def _placed(
    config: CellConfig, project: Path, working_directory: Path, absent: list[str] | None
) -> list[str]:
    """Make the paths of `config` absolute; return what is wrong with them."""
    config.runtime.results = os.path.abspath(working_directory / config.runtime.results)
    return locate.resolve_paths(config, (working_directory, project), absent)


def _pin(config: CellConfig, commit: Callable[[str, str | None], str | None]) -> list[str]:
    """Replace the revision of a base on the hub by its commit; return why that is not possible."""
    path, revision = config.model.path, config.model.revision
    if is_api(config.model) or Path(path).is_dir() or not locate.is_repository_id(path):
        return []
    found = commit(path, revision)
    if found is None:
        return [
            f"model.revision: nobody here knows which commit of {path!r} is "
            f"{revision or 'its main branch'}: it is not in the cache of the model hub, and the "
            f"hub did not say. {locate.FETCH[0].upper()}{locate.FETCH[1:]}, or give the commit, "
            "40 hexadecimal digits, as model.revision"
        ]
    config.model.revision = found
    return []


def _named(config: CellConfig, project: Path, planning: bool) -> Cell:
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    identified = identity.train_identity(config, locate.hashes(config, cache, planning))
    return identity.named(config, identified, project)


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
