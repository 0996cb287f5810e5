"""A run notes who worked on it and how a stage failed, and forgets what succeeded since."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tunegrid.cells.attempts import note_attempt, noting_failure
from tunegrid.config.errors import StageError, Stopped
from tunegrid.store import run_files
from tunegrid.store.lock import LockLost
from tunegrid.store.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    return directory


def test_every_attempt_is_a_line_that_says_who(run: RunDirectory) -> None:
    note_attempt(run, "train")
    with run.locked():
        note_attempt(run, "trained")
    first, second = run.read_lines(run_files.ATTEMPTS)
    assert (first["what"], first["pid"], first["token"]) == ("train", os.getpid(), None)
    assert second["what"] == "trained"
    assert second["token"]


def test_a_failure_is_noted_and_goes_when_its_stage_succeeds(run: RunDirectory) -> None:
    with pytest.raises(KeyError), noting_failure(run, "train"):
        raise KeyError("why")
    noted = run.read(run_files.FAILED)
    assert (noted["stage"], noted["error"]) == ("train", "KeyError: 'why'")
    assert "Traceback" in noted["traceback"]
    with noting_failure(run, "train"):
        pass
    assert not run.has(run_files.FAILED)


def test_the_success_of_another_stage_leaves_the_note(run: RunDirectory) -> None:
    with pytest.raises(KeyError), noting_failure(run, "score belle", benchmark="belle"):
        raise KeyError("why")
    with noting_failure(run, "predict mmcu", benchmark="mmcu"):
        pass
    assert run.read(run_files.FAILED)["benchmark"] == "belle"


@pytest.mark.parametrize("end", [Stopped(), LockLost("another's")])
def test_who_stopped_or_lost_the_run_says_nothing_of_it(
    run: RunDirectory, end: BaseException
) -> None:
    with pytest.raises(type(end)), noting_failure(run, "train"):
        raise end
    assert not run.has(run_files.FAILED)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("of a GPU")])
def test_too_little_memory_says_which_settings_need_less(
    run: RunDirectory, error: BaseException
) -> None:
    with (
        pytest.raises(StageError, match=r"runtime\.micro_batch_tokens.*quantization"),
        noting_failure(run, "train"),
    ):
        raise error
    assert run.read(run_files.FAILED)["error"].startswith("out of memory: ")


def test_an_interruption_is_noted_too(run: RunDirectory) -> None:
    with pytest.raises(KeyboardInterrupt), noting_failure(run, "train"):
        raise KeyboardInterrupt
    assert run.has(run_files.FAILED)
