"""Run directories: whole files or none, and nothing lost when a write fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunegrid.config.errors import StoreError
from tunegrid.store import run_directory, run_files
from tunegrid.store.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "runs" / "cell")
    directory.create()
    return directory


def test_a_written_file_is_read_back(run: RunDirectory) -> None:
    run.write("a.json", {"名": [1, 2.5, None]})
    assert run.read("a.json") == {"名": [1, 2.5, None]}
    assert not list(run.path.glob("*.tmp"))


def test_a_failed_write_leaves_the_old_file(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write("a.json", {"value": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left.*Earlier files are intact"):
        run.write("a.json", {"value": 2})
    monkeypatch.undo()
    assert run.read("a.json") == {"value": 1}


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/runs.*runtime\.results="):
        RunDirectory(tmp_path / "file" / "runs").create()


def test_a_line_cut_off_by_a_kill_is_left_out(run: RunDirectory) -> None:
    run.append_line("curve.jsonl", {"step": 1})
    with (run.path / "curve.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.read_lines("curve.jsonl") == [{"step": 1}]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\r"])
def test_a_record_may_hold_any_line_separator(run: RunDirectory, mark: str) -> None:
    """A model may write them; JSON leaves most of them as they are."""
    run.write_lines("answers.jsonl", [{"text": f"a{mark}b"}, {"text": "c"}])
    assert run.read_lines("answers.jsonl") == [{"text": f"a{mark}b"}, {"text": "c"}]


def test_a_broken_line_before_the_last_is_refused(run: RunDirectory) -> None:
    (run.path / "curve.jsonl").write_text('{"step": 1\n{"step": 2}\n')
    with pytest.raises(StoreError, match="line 1 is no JSON"):
        run.read_lines("curve.jsonl")


def test_records_behind_a_checkpoint_are_dropped(run: RunDirectory) -> None:
    run.write_lines("curve.jsonl", [{"step": step} for step in range(1, 6)])
    run.drop_lines_after("curve.jsonl", "step", 3)
    assert [record["step"] for record in run.read_lines("curve.jsonl")] == [1, 2, 3]


def test_a_directory_is_replaced_as_a_whole(run: RunDirectory) -> None:
    with run.replaced_directory("adapter") as directory:
        (directory / "weights").write_text("old")

    def fail_half_way() -> None:
        with run.replaced_directory("adapter") as directory:
            (directory / "weights").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    # The old adapter goes only when a new one is being made; a half one never has its name.
    assert not (run.path / "adapter").exists()
    with run.replaced_directory("adapter") as directory:
        (directory / "weights").write_text("new")
    assert (run.path / "adapter" / "weights").read_text() == "new"


def test_finished_runs_are_those_with_a_cell(tmp_path: Path, run: RunDirectory) -> None:
    assert run_directory.finished_runs(tmp_path) == []
    run.write(run_files.CELL, {})
    assert [r.path for r in run_directory.finished_runs(tmp_path)] == [run.path]
