"""A wish to stop is kept from the first moment on, and what was stopped goes on to the same bytes.

A cell, a sweep of two at once and a cell on two processes are sent SIGTERM or SIGINT after so many
seconds, again and again, and then left alone.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from doubles.whole_cells import popen
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SMALL = [
    "train.max_steps=40",
    "train.examples_per_step=32",
    "train.checkpoints_per_epoch=1",
    "stage=train",
    "runtime.device=cpu",
    "runtime.threads=1",
    "runtime.progress=false",
]
WAYS = {
    "a cell": [],
    "a sweep": ["-m", "seed=0,1", "runtime.parallel=2"],
    "a team of two": ["runtime.gpus_per_cell=2", "peft.options.lora_dropout=0"],
}
WISHES = {
    "SIGTERM": (signal.SIGTERM, (0.5, 3.0)),
    "SIGINT": (signal.SIGINT, (1.5, 6.0)),
}
ONE_STEP_MORE = 2
"""Steps that a cell may still end: the one it is at, and one that began as the wish arrived."""


def command(project: Path, results: Path, way: str) -> list[str]:
    return [
        sys.executable, str(project / "run.py"), *SMALL, *WAYS[way], f"runtime.results={results}",
    ]  # fmt: skip


def bytes_of(results: Path) -> dict[str, str]:
    """The digests of what was trained, by run and file."""
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.glob("runs/*/adapter/*.safetensors"))
    }


def steps(results: Path) -> dict[str, int]:
    runs = [RunDirectory(path.parent) for path in results.glob(f"runs/*/{run_files.CURVE}")]
    return {run.path.name: len(run.read_lines(run_files.CURVE)) for run in runs}


def wait_until_started(pid: int) -> float:
    """Wait until the program's first lines have run; return the time.

    An interpreter that has not read a line of it ends by a signal as any process does.
    """
    while True:
        text = Path(f"/proc/{pid}/status").read_text()
        (caught,) = [line.split()[1] for line in text.splitlines() if line.startswith("SigCgt")]
        if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
            return time.monotonic()
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    found: dict[str, object] = {}
    for way in WAYS:
        results = tmp_path_factory.mktemp("undisturbed") / "results"
        process = popen(command(project, results, way), results.parent)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        found[way] = bytes_of(results)
        assert found[way]
    return found


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("way", WAYS)
def test_a_wish_to_stop_is_never_lost(
    project: Path, tmp_path: Path, undisturbed: dict[str, object], way: str, wish: str
) -> None:
    results = tmp_path / "results"
    number, seconds = WISHES[wish]
    for after in seconds:
        began = time.monotonic()
        process = popen(command(project, results, way), tmp_path)
        wait_until_started(process.pid)
        time.sleep(max(0.0, began + after - time.monotonic()))
        family = psutil.Process(process.pid).children(recursive=True)
        before = steps(results)
        process.send_signal(number)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 130, (after, process.returncode, errors)
        more = [count - before.get(name, 0) for name, count in steps(results).items()]
        assert all(count <= ONE_STEP_MORE for count in more), (after, more)
        assert not list(results.glob(f"runs/*/{run_files.LOCK}*")), after
        assert not list(results.glob(f"runs/*/{run_files.FAILED}")), after
        assert psutil.wait_procs(family, timeout=60)[1] == []
    process = popen(command(project, results, way), tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert bytes_of(results) == undisturbed[way]
    assert all(count == 40 for count in steps(results).values())


def test_a_second_wish_ends_a_cell_that_only_begins(project: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    process = popen(command(project, results, "a cell"), tmp_path)
    wait_until_started(process.pid)
    time.sleep(2.0)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=3.0) == 130
    assert psutil.wait_procs(family, timeout=60)[1] == []
    assert not steps(results)
