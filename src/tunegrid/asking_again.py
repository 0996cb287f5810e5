"""Finished cells asked again: what they were trained as, with other evaluation settings.

Owns: putting `eval`, `judge` and `runtime` of a command line into the settings that cell.json
records. Part of the edge: composes with Hydra, never imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tunegrid import cell as cells
from tunegrid import overrides, reading, store
from tunegrid.errors import ConfigError
from tunegrid.identity import Cell
from tunegrid.schema import CellConfig
from tunegrid.store import RunDirectory

GROUPS = ("eval", "judge", "runtime")


def cells_with(
    runs: Sequence[RunDirectory], settings: Sequence[str], project: Path, results: Path
) -> list[Cell]:
    """Return finished cells with the given settings for evaluation, judge and runtime.

    Args:
        runs: their directories.
        settings: overrides as on the command line of run.py.
        project: the directory that holds conf/.
        results: the results directory.

    Raises:
        ConfigError: a setting of another group, a row that was imported, or a cell whose files
            are no longer those it was trained on.
    """
    for word in settings:
        group = word.lstrip("+~").split("=")[0].split(".")[0]
        if group not in GROUPS:
            raise ConfigError(
                f"{word!r}: a finished cell keeps its {group}; accepted are {', '.join(GROUPS)}"
            )
    composed = _composed(settings, project) if settings else None
    return [_cell(run, composed, settings, project, results) for run in runs]


def _composed(settings: Sequence[str], project: Path) -> CellConfig:
    conf = project / "conf"
    words = overrides.checked(list(settings), conf)
    ConfigStore.instance().store(name="schema", node=CellConfig)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf), version_base="1.3"):
            composed = compose("config", overrides=words)
        missing = sorted(
            key for key in OmegaConf.missing_keys(composed) if key.split(".")[0] in GROUPS
        )
        if missing:
            raise ConfigError(f"{', '.join(missing)} must be given: add {missing[0]}=<value>")
        plain = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error)) from error
    if not isinstance(plain, CellConfig):
        raise ConfigError("the configuration has no schema; start its defaults list with `schema`")
    return plain


def _cell(
    run: RunDirectory,
    composed: CellConfig | None,
    settings: Sequence[str],
    project: Path,
    results: Path,
) -> Cell:
    if run.read(store.CELL).get("kind") == store.IMPORTED:
        raise ConfigError(f"{run.path.name} was imported; there is no model that could answer")
    config = reading.config_of(run)
    if composed is not None:
        given = {word.lstrip("+~").split("=")[0].split(".")[0] for word in settings}
        for group in given:
            setattr(config, group, getattr(composed, group))
    config.runtime.results = str(results.absolute())
    cell = cells.checked(config, project, Path.cwd())
    if cell.train_id != run.path.name:
        raise ConfigError(
            f"{run.path.name}: its base, data or settings are no longer those it was trained "
            f"with (they now give {cell.train_id}); put them back, or train it again"
        )
    return cell
