"""Composed configuration to typed, checked cell with its identity.

Owns: the step from OmegaConf to plain dataclasses. Part of the edge:
imports OmegaConf, never torch.
"""

from __future__ import annotations

import os
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
    missing = sorted(_missing(composed))
    if missing:
        problems = [f"{key} must be given{_how(key)}" for key in missing]
        raise ConfigError(all_problems("the cell is incomplete", problems))
    try:
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the configuration cannot be resolved: {error}") from error
    if not isinstance(config, CellConfig):
        raise ConfigError("the configuration has no schema; start its defaults list with `schema`")
    return checked(config, project, working_directory)


def checked(config: CellConfig, project: Path, working_directory: Path) -> Cell:
    """Return the cell of a plain configuration; see `from_composed`."""
    config.runtime.results = os.path.abspath(working_directory / config.runtime.results)
    problems = contents.resolve_paths(config, (working_directory, project))
    problems += preflight.settings_problems(config)
    if problems:
        raise ConfigError(all_problems("the cell cannot be run", problems))
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    identified = identity.train_identity(config, contents.hashes(config, cache))
    return Cell(config, identity.train_id(config, identified), identified, project)


def _missing(composed: DictConfig | ListConfig) -> set[str]:
    """Return the settings that must be given."""
    return {key for key in OmegaConf.missing_keys(composed) if not key.startswith("hydra.")}


def _how(key: str) -> str:
    return f": {HOW_TO_GIVE[key]}" if key in HOW_TO_GIVE else f": add {key}=<value>"
