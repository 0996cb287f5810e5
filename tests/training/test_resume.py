"""A run killed with SIGKILL and continued ends with the same bytes as one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from doubles import tiny_bases
from tunegrid.config.project import project_directory
from tunegrid.store.lock import Lock, LockLost, owner
from tunegrid.training.checkpoints import Checkpoints

PROGRAM = project_directory() / "tests" / "doubles" / "killed_run.py"


def start(root: Path, name: str, step: int, place: str) -> subprocess.Popen[str]:
    """Start a training process that kills itself as `killed_run.py` says."""
    paths = os.pathsep.join([str(PROGRAM.parents[1]), *filter(None, sys.path)])
    # Another hash seed each: what is exported may not depend on the order of sets.
    seed = str(len(name) + step)
    return subprocess.Popen(
        [
            sys.executable,
            str(PROGRAM),
            str(root),
            name,
            str(step),
            place,
        ],
        env=os.environ | {"PYTHONPATH": paths, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], *, killed: bool) -> str:
    """Wait for the process and return what it printed."""
    output, errors = process.communicate()
    assert process.returncode == (-signal.SIGKILL if killed else 0), errors
    return output


def test_killed_twice_and_continued_ends_with_the_same_bytes(tmp_path):
    tiny_bases.save("llama", tmp_path)
    undisturbed = start(tmp_path, "undisturbed", 0, "never")
    checkpoints = Checkpoints(tmp_path / "killed" / "checkpoint")
    # Eight steps with checkpoints after 2, 4, 6 and 8: killed between two of them, ...
    assert "resumed 0" in end(start(tmp_path, "killed", 3, "record"), killed=True)
    assert checkpoints.steps() == [2]
    # ... then with one half written, ...
    assert "resumed 2" in end(start(tmp_path, "killed", 6, "saving"), killed=True)
    assert checkpoints.steps() == [2, 4]
    assert (checkpoints.unfinished / "checkpoint-6").is_dir()
    # ... then left alone.
    assert "resumed 4" in end(start(tmp_path, "killed", 0, "never"), killed=False)
    assert checkpoints.steps() == [6, 8]
    end(undisturbed, killed=False)
    expected = tmp_path / "undisturbed" / "adapter"
    files = sorted(path.name for path in expected.iterdir())
    assert files == ["adapter_config.json", "adapter_model.safetensors"]
    for file in files:
        found = tmp_path / "killed" / "adapter" / file
        assert found.read_bytes() == (expected / file).read_bytes()


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
