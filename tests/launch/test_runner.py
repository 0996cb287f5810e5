"""Cells in children: how each may end, and what the others and later launches see of it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tunegrid.cells.attempts import noting_failure
from tunegrid.cells.identity import Cell
from tunegrid.config.schema import CellConfig, DataConfig, ModelConfig, PeftConfig, RuntimeConfig
from tunegrid.launch import child, processes
from tunegrid.launch.outcomes import Outcome, exit_code
from tunegrid.launch.runner import Control, run_cells
from tunegrid.launch.stop import StopRequest
from tunegrid.models.bases import gpus
from tunegrid.store import lock, run_directory, run_files
from tunegrid.store.lock import Lock
from tunegrid.store.run_directory import RunDirectory


def cell(results: Path, name: str) -> Cell:
    """A cell that no stage could run: what a child does with it is replaced below."""
    config = CellConfig(
        model=ModelConfig(name=name, path=name, architecture="none"),
        peft=PeftConfig(name="lora", function="library.attach"),
        data=DataConfig(name="none"),
        runtime=RuntimeConfig(results=str(results)),
    )
    return Cell(config, name, {}, results)


def ends(sender: Connection, cell: Cell, share: child.Share) -> None:
    """Stand in for `child.run_cell`: end as the cell's name says."""
    run = RunDirectory(cell.directory)
    run.create()
    kind = cell.train_id.partition("-")[0]

    def action(stop: StopRequest) -> None:
        with Lock(run.path / run_files.LOCK):
            run.write(run_files.CELL, {"format": run_directory.FORMAT})
            run.append_line(run_files.ATTEMPTS, {"slot": share.slot, "time": time.time()})
            if kind == "raises":
                raise ValueError("no such luck")
            if kind == "exits":
                os._exit(7)
            if kind == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "waits":
                while not stop():
                    time.sleep(0.02)
                raise child.Stopped
            run.write(run_files.TRAINED, {})
            run.write(run_files.RESULTS, {"scores": []})

    child._end(sender, action, run.path / run_files.FAILED)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunegrid.launch.child.run_cell", ends)


@pytest.fixture
def cells(tmp_path: Path) -> Callable[..., list[Cell]]:
    return lambda *names: [cell(tmp_path, name) for name in names]


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def once(holds: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """Act as soon as something holds, beside the test; however busy the machine is."""

    def wait() -> None:
        while not holds():
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_each_end_is_told_and_stops_no_other(cells: Callable[..., list[Cell]]) -> None:
    asked = cells("raises-1", "good-1", "exits-1", "killed-1", "good-2")
    outcomes = run_cells(asked, parallel=2)
    assert states(outcomes) == ["failed", "done", "failed", "failed", "done"]
    assert "no such luck" in outcomes[0].reason
    assert "exit code 7" in outcomes[2].reason
    assert "SIGKILL" in outcomes[3].reason
    assert exit_code(outcomes) == 1
    for one in (asked[2], asked[3]):
        noted = RunDirectory(one.directory).read(run_files.FAILED)
        assert outcomes[asked.index(one)].reason == f"training failed: {noted['error']}"
    assert not list(asked[0].directory.parent.glob("*/.lock*"))


def test_cells_whose_processes_are_started_anew_leave_no_spare(
    cells: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    asked = cells("good-1", "killed-1", "good-2", "good-3")
    made: list[processes.Spare] = []

    class Noted(processes.Spare):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(processes, "Spare", Noted)
    assert states(run_cells(asked, parallel=2)) == ["done", "failed", "done", "done"]
    assert made
    assert not any(one.process.is_alive() for one in made)


def test_failing_fast_leaves_the_rest(cells: Callable[..., list[Cell]]) -> None:
    outcomes = run_cells(cells("good-1", "raises-1", "good-2", "good-3"), fail_fast=True)
    assert states(outcomes) == ["done", "failed", "not started", "not started"]
    assert exit_code(outcomes) == 1


def test_cells_at_once_have_slots_of_their_own(cells: Callable[..., list[Cell]]) -> None:
    asked = cells("good-1", "good-2", "good-3", "good-4")
    assert states(run_cells(asked, parallel=2)) == ["done"] * 4
    slots = [RunDirectory(one.directory).read_lines(run_files.ATTEMPTS)[0]["slot"] for one in asked]
    assert set(slots) == {0, 1}


def test_finished_cells_are_not_run_again(cells: Callable[..., list[Cell]]) -> None:
    asked = cells("good-1", "good-2")
    run_cells(asked)
    assert states(run_cells(asked)) == ["done", "done"]
    for one in asked:
        assert len(RunDirectory(one.directory).read_lines(run_files.ATTEMPTS)) == 1


def test_a_wish_from_elsewhere_stops_them(cells: Callable[..., list[Cell]]) -> None:
    control = Control()
    asked = cells("waits-1", "good-1")
    once(lambda: RunDirectory(asked[0].directory).has(run_files.ATTEMPTS), control.stop)
    outcomes = run_cells(asked, control=control)
    assert states(outcomes) == ["interrupted", "not started"]
    assert exit_code(outcomes) == 130


def test_another_launchs_cell_is_waited_for(
    cells: Callable[..., list[Cell]], tmp_path: Path
) -> None:
    """Somebody else holds the first cell, then finishes it: it is not run here."""
    first, second = cells("good-1", "good-2")
    run = RunDirectory(first.directory)
    run.create()
    other = Lock(run.path / run_files.LOCK)
    other.__enter__()

    def finish() -> None:
        run.write(run_files.CELL, {"format": run_directory.FORMAT})
        run.write(run_files.TRAINED, {})
        run.write(run_files.RESULTS, {"scores": []})
        other.__exit__(None, None, None)

    once(lambda: RunDirectory(second.directory).has(run_files.RESULTS), finish)
    assert states(run_cells([first, second])) == ["done", "done"]
    assert not run.has(run_files.ATTEMPTS)
    assert RunDirectory(second.directory).has(run_files.ATTEMPTS)


def loses(sender: Connection, cell: Cell, share: child.Share) -> None:
    """Stand in for a child that is passed over at its first attempt, and fails because of it."""
    run = RunDirectory(cell.directory)
    run.create()
    path = run.path / run_files.LOCK

    def action(stop: StopRequest) -> None:
        with run.locked(Lock(path, heartbeat_seconds=60)):
            run.write(run_files.CELL, {"format": 1})
            if not run.has(run_files.ATTEMPTS):
                run.append_line(run_files.ATTEMPTS, {"what": "loses"})
                path.write_text(json.dumps(lock.owner(path) | {"pid_namespace": "another"}))
                os.utime(path, (1, 1))
                with Lock(path), noting_failure(run, "train"):
                    raise ValueError("its files are gone")
            run.append_line(run_files.ATTEMPTS, {"what": "ends"})
            run.write(run_files.TRAINED, {})
            run.write(run_files.RESULTS, {"scores": []})

    child._end(sender, action, run.path / run_files.FAILED)


def test_a_cell_that_lost_its_lock_has_not_failed(
    cells: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process works on it; when that ends, it is looked at again."""
    monkeypatch.setattr("tunegrid.launch.child.run_cell", loses)
    [one] = cells("good-1")
    assert states(run_cells([one])) == ["done"]
    run = RunDirectory(one.directory)
    assert [line["what"] for line in run.read_lines(run_files.ATTEMPTS)] == ["loses", "ends"]
    assert not run.has(run_files.FAILED)
    assert not list(run.path.glob(".lock*"))


def test_what_failed_elsewhere_meanwhile_is_not_tried_again(
    cells: Callable[..., list[Cell]],
) -> None:
    first, second = cells("good-1", "good-2")
    run = RunDirectory(first.directory)
    run.create()
    other = Lock(run.path / run_files.LOCK)
    other.__enter__()

    def fail() -> None:
        run.write(run_files.FAILED, {"stage": "train", "error": "it broke there"})
        other.__exit__(None, None, None)

    # By then the first cell has been looked at.
    once(lambda: RunDirectory(second.directory).has(run_files.RESULTS), fail)
    [outcome, _] = run_cells([first, second])
    assert outcome == Outcome("good-1", "failed", "training failed: it broke there")
    # A later launch does try again.
    assert states(run_cells([first])) == ["done"]


def test_a_death_whose_results_are_there_is_none(
    cells: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that tells how a child ended may die; the files still say it."""
    real = processes.Child

    class Lost(real):  # type: ignore[valid-type, misc]
        @property
        def code(self) -> int | None:
            code: int | None = super().code
            return None if code is None else 255

    monkeypatch.setattr("tunegrid.launch.processes.Child", Lost)
    asked = cells("good-1", "raises-1")
    assert states(run_cells(asked)) == ["done", "failed"]
    assert not RunDirectory(asked[0].directory).has(run_files.FAILED)


def test_a_failure_before_any_file_leaves_one(
    cells: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunegrid.launch.child.run_cell", too_early)
    [one] = cells("early-1")
    [outcome] = run_cells([one])
    run = RunDirectory(one.directory)
    assert outcome.state == "failed"
    assert outcome.reason.startswith("training failed: out of memory")
    assert outcome.reason == f"training failed: {run.read(run_files.FAILED)['error']}"
    assert run.has(run_files.CELL)


def too_early(sender: Connection, cell: Cell, share: child.Share) -> None:
    """Stand in for a child that has no room to begin."""

    def action(stop: StopRequest) -> None:
        raise MemoryError

    child._end(sender, action, cell.directory / run_files.FAILED)


def test_a_lock_that_names_nobody_is_taken_over_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "UNREADABLE_AFTER_SECONDS", 0.3)
    path = tmp_path / run_files.LOCK
    for content in ("", "x", "[1]", "{}"):
        path.write_text(content)
        with Lock(path):
            assert lock.is_held(path)
        assert not path.exists()


def test_a_dead_lock_is_cleared_and_a_held_one_stays(tmp_path: Path) -> None:
    path = tmp_path / run_files.LOCK
    path.write_text('{"host": "elsewhere", "pid": 1, "started": 0, "token": "x"}')
    os.utime(path, (0, 0))
    assert lock.clear_dead(path)
    assert not path.exists()
    with Lock(path):
        assert not lock.clear_dead(path)
        assert path.exists()
