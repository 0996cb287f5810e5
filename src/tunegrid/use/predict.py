"""Finished cells asked again: what they were trained as, with other evaluation settings.

Owns: putting `eval`, `judge` and `runtime` of a command line into the settings that cell.json
records. Part of the edge: composes with Hydra, never imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunegrid.cells import check, reopen
from tunegrid.cells.identity import Cell
from tunegrid.config.compose.typed import composed_groups
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

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
    composed = composed_groups(settings, project, GROUPS) if settings else None
    return [_cell(run, composed, settings, project, results) for run in runs]


def _cell(
    run: RunDirectory,
    composed: CellConfig | None,
    settings: Sequence[str],
    project: Path,
    results: Path,
) -> Cell:
    if run.read(run_files.CELL).get("kind") == run_files.IMPORTED:
        raise ConfigError(f"{run.path.name} was imported; there is no model that could answer")
    config = reopen.config_of(run)
    if composed is not None:
        given = {word.lstrip("+~").split("=")[0].split(".")[0] for word in settings}
        for group in given:
            setattr(config, group, getattr(composed, group))
    config.runtime.results = str(results.absolute())
    cell = check.checked(config, project, Path.cwd())
    if cell.train_id != run.path.name:
        raise ConfigError(
            f"{run.path.name}: its base, data or settings are no longer those it was trained "
            f"with (they now give {cell.train_id}); put them back, or train it again"
        )
    return cell
