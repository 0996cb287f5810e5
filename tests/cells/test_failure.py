"""failed.json: what it says, and when it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.cells import failure
from tunegrid.cells.failure import Failure
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "runs" / "run")
    directory.create()
    return directory


def test_a_note_is_read_as_it_was_written(run: RunDirectory) -> None:
    note = Failure("score a b", "E: x", "a b", "a b-1", "a b-1-rule-2", "trace")
    failure.write(run, note)
    assert failure.parsed(run.read(run_files.FAILED)) == note
    assert note.line == "E: x"
    assert Failure("train", "\n").line == "no message"


def test_notes_of_earlier_versions_are_read() -> None:
    said = {
        stage: failure.parsed({"stage": stage, "error": "x"}).benchmark
        for stage in ("train", "predict a b", "score a", "lm_eval", "unknown", "slurm", "check")
    }
    assert said == {"train": "", "predict a b": "a b", "score a": "a", "lm_eval": "lm_eval",
                    "unknown": "", "slurm": "", "check": ""}  # fmt: skip
    assert failure.parsed({}) == Failure("unknown", "")


@pytest.mark.parametrize(
    ("note", "left_by_stage", "left_at_the_end"),
    [
        (Failure("score a", "x", "a"), False, False),
        # The benchmark was mended since, and is another one by its name.
        (Failure("score a", "x", "a", "a-1", "a-1-rule-1"), False, False),
        (Failure("score other", "x", "other"), True, True),
        (Failure("train", "x"), True, False),
        (Failure("unknown", "x"), True, False),
    ],
)
def test_a_note_goes_when_what_it_is_about_succeeds(
    run: RunDirectory, note: Failure, left_by_stage: bool, left_at_the_end: bool
) -> None:
    failure.write(run, note)
    failure.clear_stage(run, "score a", "a")
    assert run.has(run_files.FAILED) is left_by_stage
    failure.write(run, note)
    failure.clear_run(run, {"a"})
    assert run.has(run_files.FAILED) is left_at_the_end
    failure.write(run, note)
    failure.clear_stage(run, failure.TRAIN)
    assert run.has(run_files.FAILED) is (note.stage != "train")


def test_a_note_that_cannot_be_read_goes_with_the_next_success(run: RunDirectory) -> None:
    (run.path / run_files.FAILED).write_text("{")
    failure.clear_stage(run, "score a", "a")
    assert not run.has(run_files.FAILED)


def test_when_a_note_was_written(run: RunDirectory) -> None:
    assert failure.written_at_ns(run.path) is None
    failure.write(run, Failure("train", "x"))
    written = (run.path / run_files.FAILED).stat().st_mtime_ns
    assert failure.written_at_ns(run.path) == written
