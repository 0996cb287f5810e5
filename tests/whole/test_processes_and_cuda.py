"""No process that may use a GPU is forked from one that has asked CUDA for its devices.

A stub of CUDA (`doubles/cuda_stub`) asks where bitsandbytes does, and notes whoever finds that it
was forked badly; on a machine with a GPU such a process cannot use it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STUB = Path(__file__).parents[1] / "doubles" / "cuda_stub"
SMALL = [
    "train.max_steps=2",
    "train.examples_per_step=4",
    "stage=train",
    "runtime.device=cpu",
    "runtime.threads=1",
    "runtime.progress=false",
]
WAYS = {
    "a cell": [],
    "one after another": ["-m", "seed=0,1"],
    "two at once": ["-m", "seed=0,1", "runtime.parallel=2"],
    "a team of two": ["runtime.gpus_per_cell=2"],
}


def said(project: Path, directory: Path, words: list[str], *, has_driver: bool) -> list[str]:
    """Run cells with the stub; return the words of its log."""
    log = directory / "log"
    log.touch()
    environment = {
        **os.environ,
        "PYTHONPATH": str(STUB),
        "CUDA_STUB_LOG": str(log),
        "CUDA_STUB_DRIVER": str(int(has_driver)),
    }
    command = [sys.executable, str(project / "run.py"), *SMALL, *words]
    command.append(f"runtime.results={directory / 'results'}")
    done = subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, timeout=1000
    )
    assert done.returncode == 0, done.stderr
    runs = [RunDirectory(path.parent) for path in directory.glob("results/runs/*/cell.json")]
    assert len(runs) == (2 if "-m" in words else 1)
    assert all(run.has(run_files.TRAINED) for run in runs)
    return [line.split()[0] for line in log.read_text().splitlines()]


@pytest.mark.parametrize("way", WAYS)
def test_beside_a_driver_no_process_is_forked_badly(
    project: Path, tmp_path: Path, way: str
) -> None:
    words = said(project, tmp_path, WAYS[way], has_driver=True)
    assert "counted" in words
    assert "bad" not in words


@pytest.mark.parametrize("way", ["two at once", "a team of two"])
def test_without_a_driver_a_process_that_was_forked_badly_begins_anew(
    project: Path, tmp_path: Path, way: str
) -> None:
    """Only what cells were started with says so, and nothing that was started after it."""
    words = said(project, tmp_path, WAYS[way], has_driver=False)
    assert 1 <= words.count("bad") <= 2
