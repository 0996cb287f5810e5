"""A real SLURM of one node."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from doubles.trial_sweeps import freeze_cells
from tunegrid.config.project import project_directory
from tunegrid.launch.record import Launch

PROJECT = project_directory()
SCRIPT = Path(__file__).with_name("minislurm.sh")
DAEMONS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "sbatch", "sacct")
MAX_ARRAY_SIZE = 4


def free_port() -> int:
    """The first of three ports in a row that nobody listens on."""
    for first in range(17_000 + os.getpid() % 1000 * 10, 30_000, 10):
        try:
            for port in range(first, first + 3):
                with socket.socket() as one:
                    one.bind(("", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running SLURM, to which SLURM_CONF points; its directory holds its logs."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    missing = [name for name in DAEMONS if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"SLURM is not installed ({', '.join(missing)} missing); see .ci/slurm")
    directory = tmp_path_factory.mktemp("slurm")
    environment = {
        **os.environ,
        "MINISLURM_PORT": str(free_port()),
        "MINISLURM_MAX_ARRAY": str(MAX_ARRAY_SIZE),
    }
    subprocess.run([str(SCRIPT), "start", str(directory)], env=environment, check=True, timeout=120)
    before = dict(os.environ)
    os.environ["SLURM_CONF"] = str(directory / "slurm.conf")
    # The job's Python finds the package as this one does.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PROJECT / "src"), *sys.path])
    try:
        yield directory
    finally:
        subprocess.run([str(SCRIPT), "stop", str(directory)], check=False, timeout=120)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def frozen(tmp_path: Path) -> Callable[..., Launch]:
    """A function that freezes a launch of miniature cells."""

    def freeze(varied: Sequence[Sequence[str]], *fixed: str, results: Path | None = None) -> Launch:
        return freeze_cells(results or tmp_path / "results", varied, fixed)

    return freeze


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of commands that stand first on the PATH."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    return folder
