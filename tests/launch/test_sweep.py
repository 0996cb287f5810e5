"""What a sweep skips, tries again, keeps and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Retry
from tunegrid.config.compose.sweep_file import CellOverrides
from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.config.schema import CellConfig, DataConfig, ModelConfig, PeftConfig, RuntimeConfig
from tunegrid.launch import sweep
from tunegrid.launch.outcomes import Outcome
from tunegrid.launch.sweep_cells import Member, Members
from tunegrid.models.bases import gpus
from tunegrid.store import run_directory, run_files
from tunegrid.store.lock import Held, Lock
from tunegrid.store.run_directory import RunDirectory


def member(results: Path, name: str, base: str = "base", **runtime: object) -> Member:
    config = CellConfig(
        model=ModelConfig(name=base, path=base, architecture="none"),
        peft=PeftConfig(name="lora", function="library.attach"),
        data=DataConfig(name="none"),
        runtime=replace(RuntimeConfig(results=str(results)), **runtime),  # type: ignore[arg-type]
    )
    return Member(
        CellOverrides((), (f"name={name}",), "mine"), Cell(config, name, {}, results), ("mine",)
    )


def names(members: tuple[Member, ...]) -> list[str]:
    return [one.cell.train_id for one in members]


def made(one: Member, *files: str, content: object = None) -> RunDirectory:
    run = RunDirectory(one.cell.directory)
    run.create()
    for file in files:
        run.write(file, {"format": run_directory.FORMAT} if content is None else content)
    return run


@pytest.fixture
def three(tmp_path: Path) -> list[Member]:
    """One done, one failed, one new; the bases of the last two in the other order."""
    done, failed = member(tmp_path, "done"), member(tmp_path, "failed", "second")
    made(done, run_files.CELL, run_files.TRAINED).write(run_files.RESULTS, {"scores": []})
    made(failed, run_files.CELL, run_files.FAILED)
    return [done, failed, member(tmp_path, "new", "first")]


def test_what_is_done_is_skipped_and_what_failed_tried_again(three: list[Member]) -> None:
    parts = sweep.split(three, Retry.failed)
    assert names(parts.done) == ["done"]
    assert names(parts.waiting) == ["new", "failed"]
    assert not parts.kept_failed


def test_failed_ones_can_be_kept(three: list[Member]) -> None:
    parts = sweep.split(three, Retry.none)
    assert names(parts.kept_failed) == ["failed"]
    assert names(parts.waiting) == ["new"]


def test_running_again_on_purpose_loses_nothing(three: list[Member], tmp_path: Path) -> None:
    parts = sweep.split(three, Retry.all)
    assert sorted(names(parts.waiting)) == ["done", "failed", "new"]
    sweep.set_aside(parts.waiting)
    assert not list(tmp_path.glob("runs/*/cell.json"))
    kept = {path.parents[1].name for path in tmp_path.glob("replaced/*/*/cell.json")}
    assert kept == {"done", "failed"}
    assert not list(tmp_path.rglob(".lock"))


def test_a_result_that_was_taken_away_is_not_done(three: list[Member]) -> None:
    outcomes = [Outcome(one.cell.train_id, "done") for one in three]
    said = [one.state for one in sweep.still_there(three, outcomes)]
    assert said == ["done", "failed", "failed"]


def test_damaged_results_are_made_again(three: list[Member]) -> None:
    (three[0].cell.directory / run_files.RESULTS).write_text('{"scor')
    assert "done" in names(sweep.split(three, Retry.failed).waiting)


def test_a_run_that_is_being_written_is_not_set_aside(three: list[Member]) -> None:
    with Lock(three[1].cell.directory / run_files.LOCK), pytest.raises(Held):
        sweep.set_aside(three)
    # Nor is any of the others.
    assert RunDirectory(three[0].cell.directory).has(run_files.TRAINED)
    assert not list(three[0].cell.directory.glob(".lock*"))


def test_a_newer_versions_run_is_left_alone(three: list[Member]) -> None:
    made(three[0], run_files.CELL, content={"format": run_directory.FORMAT + 1})
    with pytest.raises(StoreError, match="a newer tunegrid made it"):
        sweep.split(three, Retry.failed)


def test_settings_of_the_sweep_as_a_whole_are_one(tmp_path: Path) -> None:
    cells = [member(tmp_path, "a", parallel=1), member(tmp_path, "b", parallel=2)]
    with pytest.raises(ConfigError, match=r"runtime\.parallel has several values"):
        sweep.settings(cells)
    assert sweep.settings(cells[:1]).parallel == 1


def test_what_this_machine_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = member(tmp_path, "a", parallel=3, gpus_per_cell=2).cell.config
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    monkeypatch.setattr(gpus, "torch_build", lambda: "cuda")
    with pytest.raises(ConfigError, match="take 6 GPUs, and 4 can be seen"):
        sweep.refuse_impossible(one.runtime, [one], is_local=True)
    sweep.refuse_impossible(one.runtime, [one], is_local=False)
    detached = member(tmp_path, "b", detach=True).cell.config
    with pytest.raises(ConfigError, match="choose hydra/launcher=slurm"):
        sweep.refuse_impossible(detached.runtime, [detached], is_local=True)


def test_a_second_launch_in_the_same_second_has_its_own_record(tmp_path: Path) -> None:
    directory = tmp_path / "launches" / "mine" / "now"
    cells = [member(tmp_path, "a")]
    first = sweep.record(directory, "mine", "basic", cells)
    second = sweep.record(directory, "mine", "basic", cells)
    assert first.directory != second.directory
    written = json.loads((second.directory / "cells.json").read_text())
    assert written["entries"][0]["train_id"] == "a"


def test_combinations_that_are_one_cell_are_named(tmp_path: Path) -> None:
    one, other = member(tmp_path, "a"), member(tmp_path, "b")
    assert sweep.counted(Members((one, other), 2)) == "2 cells"
    assert sweep.counted(Members((one,), 3)).startswith("1 cell: all 3 combinations are this one")
    assert "1 of them duplicates" in sweep.counted(Members((one, other), 3))


def test_cells_of_one_training_are_judged_each_by_itself(three: list[Member]) -> None:
    """What another cell of the run left undone takes nothing from the one that is done."""
    done, failed, _ = three
    run = RunDirectory(done.cell.directory)
    run.remove(run_files.RESULTS)
    run.write("scores/other.json", {"incomplete": True})
    run.write(run_files.FAILED, {"stage": "score mmcu", "benchmark": "mmcu", "error": "no"})
    assert names(sweep.split([done], Retry.failed).done) == ["done"]
    assert names(sweep.split([done], Retry.none).done) == ["done"]
    run.write(run_files.FAILED, {"stage": "train", "error": "of before the training that is there"})
    assert names(sweep.split([done], Retry.failed).done) == ["done"]
    outcomes = [Outcome("done", "done"), Outcome("failed", "failed", "why"), Outcome("x", "failed")]
    assert sweep.still_there([done, failed], outcomes) == outcomes
