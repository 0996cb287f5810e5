"""How far a cell is, told from its run directory as it was left."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from doubles.fabricated_runs import BELLE, HASH, MMCU, Run
from tunegrid.launch.status import states
from tunegrid.launch.status.states import Looker, State
from tunegrid.store import json_files, lock, process_identity, run_directory, run_files


def held(run: Run) -> lock.Lock:
    return lock.Lock(run.directory.path / run_files.LOCK)


def look(run: Run, *asked: str, launched: float = 0.0) -> State:
    return Looker().look(run.watched(*asked, launched=launched), time.time())


def test_a_cell_without_a_directory_waits(tmp_path: Path) -> None:
    assert look(Run(tmp_path)).state == "waiting"


def test_a_training_cell(tmp_path: Path) -> None:
    run = Run(tmp_path).training(10)
    with (run.directory.path / run_files.CURVE).open("a") as file:
        file.write('{"step": 11, "lo')
    with held(run):
        found = look(run, BELLE)
    assert (found.state, found.step, found.steps, found.loss) == ("training", 10, 40, 2.9)
    assert found.tokens_per_second == 900
    # 30 steps of 2 seconds.
    assert found.seconds_left == pytest.approx(60)


def test_validation_records_are_no_steps(tmp_path: Path) -> None:
    run = Run(tmp_path).training(10)
    run.directory.append_line(run_files.CURVE, {"step": 10, "epoch": 1, "validation_loss": 3.0})
    with held(run):
        assert look(run).loss == 2.9


def test_a_killed_cell_is_interrupted_and_keeps_its_step(tmp_path: Path) -> None:
    run = Run(tmp_path).training(10)
    here = process_identity.place()
    dead = {**here, "pid": 2**22 + 1, "started": 1.0, "token": "x"}
    (run.directory.path / run_files.LOCK).write_text(json.dumps(dead))
    found = look(run, BELLE)
    assert (found.state, found.step, found.steps) == ("interrupted", 10, 40)


def test_a_cell_on_another_host_is_told_by_its_heartbeat(tmp_path: Path) -> None:
    run = Run(tmp_path).training(10)
    path = run.directory.path / run_files.LOCK
    path.write_text(json.dumps({"host": "node7", "pid": 1, "started": 1.0, "token": "x"}))
    found = look(run, BELLE)
    assert (found.state, found.host) == ("training", "node7")
    os.utime(path, (1, 1))
    assert look(run, BELLE).state == "interrupted"


def test_predicting_counts_the_lines_that_are_there(tmp_path: Path) -> None:
    run = Run(tmp_path).trained().scored(BELLE).predicting("mmcu", 20)
    looker = Looker()
    with held(run):
        first = looker.look(run.watched(BELLE, MMCU), now=100.0)
        run.predicting("mmcu", 10)
        second = looker.look(run.watched(BELLE, MMCU), now=105.0)
    assert (first.state, first.stage, first.step, first.steps) == ("predicting", "mmcu", 20, 50)
    assert (second.step, second.seconds_left) == (30, pytest.approx(10))


def test_answers_of_an_earlier_process_give_no_speed(tmp_path: Path) -> None:
    """Its files are older than the lock's holder: how long they took is not known."""
    run = Run(tmp_path).trained().predicting("belle", 20)
    for path in run.directory.path.glob("*"):
        os.utime(path, (1000, 1000))
    with held(run):
        assert look(run, BELLE).seconds_left is None


def test_scoring_follows_whole_predictions(tmp_path: Path) -> None:
    run = Run(tmp_path).trained()
    run.directory.write_lines(f"{run_files.PREDICTIONS}/belle-{HASH}.jsonl", [])
    with held(run):
        found = look(run, BELLE, MMCU)
    assert (found.state, found.stage) == ("scoring", "belle")


@pytest.mark.parametrize("method", ["lora", "none"])
def test_a_cell_is_done_when_what_was_asked_is_there(tmp_path: Path, method: str) -> None:
    run = Run(tmp_path, method=method)
    run = (run.trained() if method == "lora" else run.begun()).scored(BELLE)
    assert look(run, BELLE, MMCU).state == "interrupted"
    run.scored(MMCU)
    assert look(run, BELLE, MMCU).state == "done"
    # Another cell of the same training is being asked other things, or failed at them.
    run.failed(stage="predict other")
    with held(run):
        assert look(run, BELLE, MMCU).state == "done"
    assert look(run, BELLE, MMCU).state == "done"


def test_an_incomplete_scoring_is_not_done(tmp_path: Path) -> None:
    run = Run(tmp_path).trained().scored(BELLE, incomplete=True, problems={"late": 2}, judge="j")
    found = look(run, BELLE)
    assert found.state == "incomplete"
    assert (
        found.remark == "trained; evaluation of belle is incomplete: 2 items without a score by j"
    )


def test_a_suspect_cell_says_why(tmp_path: Path) -> None:
    run = Run(tmp_path).trained(suspect=["the loss did not fall"]).scored(BELLE, suspect=["empty"])
    found = look(run, BELLE)
    assert (found.state, found.remark) == ("suspect", "the loss did not fall; belle: empty")


def test_a_failed_cell_names_stage_and_first_line(tmp_path: Path) -> None:
    found = look(Run(tmp_path).training(10).failed(), BELLE)
    assert (found.state, found.stage, found.remark) == (
        "failed",
        "train",
        "training failed: OSError: no",
    )
    assert (found.step, found.steps) == (10, 40)


@pytest.mark.parametrize(("retry", "state"), [("failed", "waiting"), ("none", "failed")])
def test_a_failure_before_the_launch_is_history_where_it_is_run_again(
    tmp_path: Path, retry: str, state: str
) -> None:
    run = Run(tmp_path, retry=retry).training(10).failed()
    assert look(run, BELLE, launched=time.time() + 60).state == state


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (run_files.CELL, "{"),
        (run_files.CELL, "[]"),
        (run_files.TRAINED, "nothing"),
        (run_files.DATA, "[1"),
        (run_files.CURVE, '{"loss": 1.0}\n'),
    ],
)
def test_a_damaged_run_is_named(tmp_path: Path, name: str, text: str) -> None:
    run = Run(tmp_path).training(10)
    (run.directory.path / name).write_text(text)
    found = look(run, BELLE)
    assert found.state == "unreadable"
    assert str(run.directory.path) in (found.remark or "")


def test_a_newer_format_says_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path).begun()
    run.directory.write(run_files.CELL, {"format": run_directory.FORMAT + 1, "cell": "unknown"})
    found = look(run, BELLE)
    assert found.state == "unreadable"
    newer = run_directory.FORMAT + 1
    assert f"has format {newer}, and this version writes {newer - 1}" in (found.remark or "")


def test_an_older_format_says_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path).begun()
    run.directory.write(run_files.CELL, {"format": run_directory.FORMAT - 1})
    found = look(run, BELLE)
    assert found.state == "unreadable"
    assert "tunegrid migrate" in (found.remark or "")


def test_a_newer_setting_is_named_and_the_state_still_shown(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.config["train"]["brand_new"] = 1
    run.trained().scored(BELLE)
    found = look(run, BELLE)
    assert found.state == "done"
    assert "train.brand_new" in (found.remark or "")


def state(word: str, left: float | None = None, taken: float | None = None) -> State:
    return State("x", "x", word, seconds_left=left, seconds_taken=taken)


def test_what_did_not_change_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep of hundreds of cells is looked at every other second, on a shared file system."""
    looker, read = Looker(), []
    whole = json_files.read_json
    monkeypatch.setattr(json_files, "read_json", lambda path: read.append(path) or whole(path))
    runs = [Run(tmp_path, f"cell-{number}").trained().scored(BELLE) for number in range(3)]
    watched = [run.watched(BELLE) for run in runs]
    assert {looker.look(cell, 0.0).state for cell in watched} == {states.DONE}
    assert len(read) == 3 * 3
    assert {looker.look(cell, 0.0).state for cell in watched} == {states.DONE}
    assert len(read) == 3 * 3
    runs[1].scored(BELLE, suspect=["empty"])
    assert [looker.look(cell, 0.0).state for cell in watched] == ["done", "suspect", "done"]
    assert len(read) == 3 * 3 + 1
