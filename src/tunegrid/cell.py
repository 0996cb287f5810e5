"""Composed configuration to typed, checked cell with its identity.

Owns: the step from OmegaConf to plain dataclasses. Part of the edge:
imports OmegaConf, never torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tunegrid import contents, identity, preflight
from tunegrid.errors import ConfigError, all_problems
from tunegrid.identity import Cell
from tunegrid.schema import CellConfig

HOW_TO_GIVE = {
    "data.files": "for example data.files=[a.json,b.json]",
    "eval.belle.path": "for example eval.belle.path=eval_set.json (the file of the BELLE project)",
    "eval.mmcu.path": "for example eval.mmcu.path=MMCU (the folder with test/*.xlsx)",
}


@dataclass(frozen=True)
class Draft:
    """A cell as far as it can be known without its inputs."""

    cell: Cell
    absent: tuple[str, ...]
    """Inputs that do not lie here: bases, collections, benchmarks. Where there are some, the
    cell's name holds until they are there."""
    refused: tuple[str, ...]
    """Why the cell could not be run."""


def from_composed(
    composed: DictConfig | ListConfig, project: Path, working_directory: Path
) -> Cell:
    """Return the checked cell of a composed configuration.

    Args:
        composed: what Hydra composed, with the schema in it.
        project: where the configuration's own relative paths start.
        working_directory: where the user's relative paths start; tried first.

    Raises:
        ConfigError: every problem that can be seen without torch, at once.
    """
    return checked(typed(composed), project, working_directory)


def typed(composed: DictConfig | ListConfig) -> CellConfig:
    """Return a composed configuration as dataclasses.

    Raises:
        ConfigError: it is incomplete or cannot be resolved.
    """
    try:
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        # Looked for only now: it takes longer than everything else here.
        missing = sorted(_missing(composed))
        if missing:
            problems = [f"{key} must be given{_how(key)}" for key in missing]
            raise ConfigError(all_problems("the cell is incomplete", problems)) from None
        raise ConfigError(f"the configuration cannot be resolved: {error}") from error
    if not isinstance(config, CellConfig):
        raise ConfigError("the configuration has no schema; start its defaults list with `schema`")
    return config


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
    return contents.resolve_paths(config, (working_directory, project), absent)


def _named(config: CellConfig, project: Path, planning: bool) -> Cell:
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    identified = identity.train_identity(config, contents.hashes(config, cache, planning))
    return Cell(config, identity.train_id(config, identified), identified, project)


def _missing(composed: DictConfig | ListConfig) -> set[str]:
    """Return the settings that must be given."""
    return {key for key in OmegaConf.missing_keys(composed) if not key.startswith("hydra.")}


def _how(key: str) -> str:
    return f": {HOW_TO_GIVE[key]}" if key in HOW_TO_GIVE else f": add {key}=<value>"
