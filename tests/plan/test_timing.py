"""Seconds from file times, and when they are not believed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tunegrid.plan import timing
from tunegrid.store.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that began at 1000, trained from 1010 to 1110, and answered from then on."""
    directory = RunDirectory(tmp_path / "run")
    answers = [{"new_tokens": count} for count in (10, 20, 30, 40)]
    directory.write("cell.json", {})
    directory.write("train.json", {"seconds": 100.0, "resumed_from": None})
    directory.write_lines("predictions/belle-0123.jsonl", answers)
    directory.write_lines("scores/belle-0123-reference-45.jsonl", [])
    directory.write_lines("predictions/mmcu-89ab.jsonl", answers[:2])
    directory.write_lines("predictions/mmcu-cdef.jsonl", [{"likelihoods": []}])
    for name, time in (
        ("cell.json", 1000),
        ("train.json", 1110),
        ("predictions/belle-0123.jsonl", 1120),
        ("scores/belle-0123-reference-45.jsonl", 1180),
        ("predictions/mmcu-89ab.jsonl", 1186),
        ("predictions/mmcu-cdef.jsonl", 1190),
    ):
        os.utime(directory.path / name, (time, time))
    return directory


def test_answers_take_from_the_file_before_to_their_own(run):
    found = timing.answers(run)
    assert set(found) == {"belle", "mmcu"}
    assert found["belle"] == timing.Answers(25.0, 10.0)
    # A slow judge in between counts for nothing.
    assert found["mmcu"] == timing.Answers(15.0, 5.0)
    assert timing.start_seconds(run) == 10.0


def test_a_continued_a_repeated_and_a_copied_run_tell_lengths_and_no_times(run, tmp_path):
    (run.path / "train.json").write_text(json.dumps({"seconds": 100.0, "resumed_from": 7}))
    os.utime(run.path / "train.json", (1110, 1110))
    assert timing.start_seconds(run) is None
    (run.path / "train.json").write_text(json.dumps({"seconds": 100.0, "resumed_from": None}))
    os.utime(run.path / "train.json", (1110, 1110))
    os.utime(run.path / "cell.json", (1150, 1150))
    assert timing.start_seconds(run) is None
    copied = RunDirectory(tmp_path / "copied")
    shutil.copytree(run.path, copied.path, copy_function=shutil.copyfile)
    assert timing.start_seconds(copied) is None
    assert timing.answers(copied)["belle"] == timing.Answers(25.0, None)
