"""A run directory in which replies are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.store.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    return directory
