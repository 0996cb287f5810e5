"""A checkpoint has its name only when it is whole, and only the holder of the lock gives it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import save_file

from doubles.full_disk import largest_file
from tunegrid.config.errors import StoreError
from tunegrid.store.lock import Lock, LockLost, owner
from tunegrid.training.checkpoints import Checkpoints


def test_a_checkpoint_has_its_name_only_when_it_is_whole(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    checkpoints.clear_unfinished()
    for step in (5, 10, 15):
        written = checkpoints.unfinished / f"checkpoint-{step}"
        written.mkdir(parents=True)
        (written / "weights").write_text(str(step))
        assert step not in checkpoints.steps()
        checkpoints.publish(step)
    assert checkpoints.steps() == [10, 15]
    (checkpoints.unfinished / "checkpoint-20").mkdir()
    assert checkpoints.steps() == [10, 15]
    checkpoints.clear_unfinished()
    assert not checkpoints.unfinished.exists()
    assert (checkpoints.path(15) / "weights").read_text() == "15"


def test_who_lost_the_lock_publishes_no_checkpoint(tmp_path):
    """Whether it asked before the lock passed on or after."""
    path = tmp_path / ".lock"
    with Lock(path, heartbeat_seconds=60, stale_after_seconds=5) as lock:
        checkpoints = Checkpoints(tmp_path / "checkpoint", lock)
        checkpoints.clear_unfinished()
        written = checkpoints.unfinished / "checkpoint-5"
        written.mkdir(parents=True)
        (written / "weights").write_text("first")
        checkpoints.publish(5)
        written = checkpoints.unfinished / "checkpoint-10"
        written.mkdir(parents=True)
        (checkpoints.unfinished / "best.safetensors").write_text("first")
        path.write_text(json.dumps(owner(path) | {"pid_namespace": "another"}))
        os.utime(path, (1, 1))
        with Lock(path):
            pass
        # As the Trainer does, which knows of no lock.
        written.mkdir(parents=True)
        for late in (
            lambda: checkpoints.publish(10),
            lambda: checkpoints.publish_best(checkpoints.unfinished / "best.safetensors", 10),
            lambda: checkpoints.keep_best_of(set()),
            checkpoints.clear_unfinished,
        ):
            (checkpoints.directory / "best-3.safetensors").write_text("kept")
            with pytest.raises(LockLost):
                late()
        assert sorted(p.name for p in checkpoints.directory.iterdir()) == [
            "best-3.safetensors", "checkpoint-5"
        ]  # fmt: skip
    # What it wrote after that is gone with it.
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


def test_a_checkpoint_under_a_lock_is_written_in_the_holders_own_directory(tmp_path):
    with Lock(tmp_path / ".lock") as lock:
        checkpoints = Checkpoints(tmp_path / "checkpoint", lock)
        assert checkpoints.unfinished.parent == lock.staging
        # Of an earlier version, which kept it here.
        (tmp_path / "checkpoint" / "unfinished").mkdir(parents=True)
        checkpoints.clear_unfinished()
        assert list(checkpoints.directory.iterdir()) == []


WRITERS: dict[str, Callable] = {
    "torch": lambda path: torch.save({"a": torch.zeros(100_000)}, path),
    "safetensors": lambda path: save_file({"a": torch.zeros(100_000)}, str(path)),
    "plain": lambda path: path.write_bytes(bytes(400_000)),
}


@pytest.mark.parametrize("library", WRITERS)
def test_a_disk_that_refuses_is_named_and_gets_its_room_back(tmp_path, library):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    checkpoints.clear_unfinished()
    (checkpoints.path(5)).mkdir()

    def write() -> None:
        with checkpoints.writing("checkpoint-10"):
            checkpoints.unfinished.mkdir()
            WRITERS[library](checkpoints.unfinished / "weights")

    expected = r"cannot write .*checkpoint-10: .*Free space"
    with largest_file(65_536), pytest.raises(StoreError, match=expected):
        write()
    assert not checkpoints.unfinished.exists()
    assert checkpoints.steps() == [5]


def test_another_error_while_writing_stays_what_it_is(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    with pytest.raises(RuntimeError, match="CUDA"), checkpoints.writing("checkpoint-10"):
        raise RuntimeError("CUDA error: out of memory")
