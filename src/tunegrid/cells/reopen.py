"""The settings of a finished cell, read from its run directory."""

from __future__ import annotations

from tunegrid.config.compose.typed import config_from
from tunegrid.config.schema import CellConfig
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


def config_of(run: RunDirectory) -> CellConfig:
    """Return the settings that a run's cell.json records."""
    return config_from(run.read(run_files.CELL)["config"])
