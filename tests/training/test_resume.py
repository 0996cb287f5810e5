"""A run killed with SIGKILL and continued ends with the same bytes as one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from doubles import tiny_bases
from tunegrid.config.project import project_directory
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


@pytest.mark.slow
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
