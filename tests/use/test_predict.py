"""Finished cells asked again keep what they were trained as."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import check
from tunegrid.cells.identity import Cell
from tunegrid.config.compose import typed
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory
from tunegrid.use.predict import cells_with


@pytest.fixture
def cell(project: Path, tmp_path: Path) -> Cell:
    """A cell whose settings are not the default ones, begun."""
    ConfigStore.instance().store(name="schema", node=CellConfig)
    words = [f"runtime.results={tmp_path}", "seed=7", "peft=ia3", "eval.limit=9"]
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        composed = compose("config", overrides=words)
    made = check.checked(typed.typed(composed), project, project)
    run = RunDirectory(made.directory)
    run.create()
    run.write(run_files.CELL, made.record())
    return made


def again(cell: Cell, project: Path, *settings: str) -> Cell:
    results = Path(cell.config.runtime.results)
    (found,) = cells_with([RunDirectory(cell.directory)], settings, project, results)
    return found


def test_without_settings_a_cell_is_what_it_was(cell: Cell, project: Path) -> None:
    found = again(cell, project)
    assert found.train_id == cell.train_id
    assert found.config.eval == cell.config.eval


def test_given_groups_are_replaced_and_the_rest_stays(cell: Cell, project: Path) -> None:
    found = again(cell, project, "eval.limit=3", "judge=reference")
    assert found.train_id == cell.train_id
    assert found.config.eval.limit == 3
    assert (found.config.seed, found.config.peft.name) == (7, "ia3")


@pytest.mark.parametrize("word", ["train.epochs=9", "+peft.options.r=4", "seed=1", "model=x"])
def test_what_it_was_trained_as_cannot_be_changed(cell: Cell, project: Path, word: str) -> None:
    with pytest.raises(ConfigError, match=r"a finished cell keeps its .*eval, judge, runtime"):
        again(cell, project, word)


def test_a_misspelled_setting_is_refused(cell: Cell, project: Path) -> None:
    with pytest.raises(ConfigError, match="limit"):
        again(cell, project, "eval.limmit=3")


def test_an_imported_row_has_no_model_that_could_answer(cell: Cell, project: Path) -> None:
    run = RunDirectory(cell.directory)
    run.write(run_files.CELL, cell.record() | {"kind": run_files.IMPORTED})
    with pytest.raises(ConfigError, match="was imported"):
        again(cell, project)


def test_files_that_changed_meanwhile_are_another_cell(cell: Cell, project: Path) -> None:
    moved = cell.directory.with_name("words-of-another-000000000000")
    cell.directory.rename(moved)
    with pytest.raises(ConfigError, match=rf"now give {cell.train_id}"):
        cells_with([RunDirectory(moved)], [], project, Path(cell.config.runtime.results))
