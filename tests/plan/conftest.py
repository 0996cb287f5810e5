"""Cells composed as a plan composes them: nothing needs to be here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from tunegrid.cells import check
from tunegrid.cells.check import Planned
from tunegrid.config.compose import typed
from tunegrid.config.project import project_directory
from tunegrid.config.schema import CellConfig
from tunegrid.plan import facts

PROJECT = project_directory()


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    Plugins.instance()
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        yield


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Planned]:
    """Return a cell to plan, of overrides of the default cell."""

    def of(*words: str, sweeps: tuple[str, ...] = ("one",)) -> Planned:
        composed = compose("config", overrides=[*words, f"runtime.results={tmp_path}"])
        draft = check.drafted(typed.typed(composed), PROJECT, PROJECT)
        return Planned(draft.cell, sweeps, draft.absent, "; ".join(draft.refused) or None)

    return of


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find facts out in this process, which has imported torch anyway."""
    monkeypatch.setattr(
        facts, "_found_out", lambda found: {job.name: facts._run(job) for job in found}
    )
