"""A sweep that is killed again and again ends as one that was not.

The launcher and single cells are killed without warning at random moments. One cell always fails
and one always exhausts its memory; the others must not notice.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tunegrid.store import run_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KILLS = 6
CELL_KILLS = 3
SWEEP = """
defaults:
  - config
  - override data: files
  - override hydra/sweeper: grid
  - _self_
data:
  files: [{data}]
train:
  epochs: 6
  checkpoints_per_epoch: 1
eval:
  limit: 4
runtime:
  progress: false
  parallel: 2
hydra:
  mode: MULTIRUN
  sweeper:
    grids:
      - peft: [lora, sadapter_p, prefix_tuning]
        seed: [0, 1, 2, 3]
      - peft: lora
        train.learning_rate: 1.0e+30
      - peft: full
        data: mini
        runtime.memory_limit_gb: 0.3
"""
GOOD = 12
LAUNCHES = ("first", "second")
# What a clock or a machine says, not the cell.
MEASURED = ("seconds", "tokens_per_second", "peak_memory_bytes", "commit")


@pytest.fixture(scope="module")
def sweep(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sweep's file and its data."""
    directory = tmp_path_factory.mktemp("chaos")
    whole = project / "assets" / "miniature" / "collections" / "mini_english.json"
    data = directory / "small.json"
    data.write_text(json.dumps(json.loads(whole.read_text(encoding="utf-8"))[:64]))
    (directory / "chaos.yaml").write_text(SWEEP.format(data=data))
    return directory


@pytest.fixture(scope="module")
def undisturbed(project: Path, sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two launches at once made of the sweep; nobody was killed."""
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    launches = [start(project, sweep, results, name) for name in LAUNCHES]
    codes = [launch.wait(timeout=3000) for launch in launches]
    assert codes == [1, 1], [log_of(results.parent / name) for name in LAUNCHES]
    return results


def command(project: Path, sweep: Path, results: Path) -> list[str]:
    run = [sys.executable, str(project / "run.py"), "-cd", str(sweep), "-cn", "chaos"]
    return [*run, f"runtime.results={results}"]


def start(
    project: Path, sweep: Path, results: Path, log_name: str | None = None
) -> subprocess.Popen[bytes]:
    log = (results.parent / f"{log_name or results.name}.log").open("ab")
    with log:
        return subprocess.Popen(
            command(project, sweep, results), cwd=project, stdout=log, stderr=log
        )


def log_of(results: Path) -> str:
    return (results.parent / f"{results.name}.log").read_text(encoding="utf-8", errors="replace")


def cells_of(launcher: psutil.Process) -> list[psutil.Process]:
    """The processes that run cells: children of the server that forks them."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [cell for server in launcher.children() for cell in server.children()]
    return []


def rows(results: Path, name: str, left_out: tuple[str, ...] = ()) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "tunegrid.cli", "tables", "--results", str(results)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with (results / "tables" / name).open(encoding="utf-8") as file:
        found = [
            {key: value for key, value in row.items() if key not in left_out}
            for row in csv.DictReader(file)
        ]
    return sorted(found, key=lambda row: sorted(row.items()))


def runs(results: Path) -> list[Path]:
    return sorted(path.parent for path in results.glob(f"runs/*/{run_files.CELL}"))


def events(run: Path) -> Counter[str]:
    lines = (run / run_files.ATTEMPTS).read_text(encoding="utf-8").splitlines()
    return Counter(json.loads(line)["what"] for line in lines)


def disturb(project: Path, sweep: Path, results: Path) -> Counter[str]:
    """Kill launchers and cells at random moments, starting again each time; return how many."""
    chance = random.Random(20231022)  # noqa: S311 - repeatable, guards nothing
    killed: Counter[str] = Counter()
    launcher = start(project, sweep, results)
    while killed["launcher"] < KILLS or killed["cell"] < CELL_KILLS:
        if chance.random() < 0.8:
            until_a_cell_runs(launcher)
        time.sleep(chance.uniform(0.0, 5.0))
        cells = [] if launcher.poll() is not None else cells_of(psutil.Process(launcher.pid))
        if cells and (chance.random() < 0.4 or killed["launcher"] >= KILLS):
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(cells).kill()
                killed["cell"] += 1
        elif launcher.poll() is None:
            launcher.kill()
            launcher.wait()
            killed["launcher"] += 1
        if launcher.poll() is not None:
            launcher = start(project, sweep, results)
    launcher.wait(timeout=3000)
    return killed


def until_a_cell_runs(launcher: subprocess.Popen[bytes]) -> None:
    """Wait until the launcher has a cell in work, or has ended."""
    deadline = time.monotonic() + 1000
    while launcher.poll() is None and time.monotonic() < deadline:
        if cells_of(psutil.Process(launcher.pid)):
            return
        time.sleep(0.1)


def test_the_end_is_the_same(project: Path, sweep: Path, undisturbed: Path, tmp_path: Path) -> None:
    disturbed = tmp_path / "disturbed"
    killed = disturb(project, sweep, disturbed)
    # Cells that were killed last are failed; one more start brings them to their end.
    assert start(project, sweep, disturbed).wait(timeout=3000) == 1, log_of(disturbed)

    done = [run for run in runs(disturbed) if (run / run_files.TRAINED).exists()]
    assert len(done) == GOOD, log_of(disturbed)
    failed = [run for run in runs(disturbed) if (run / run_files.FAILED).exists()]
    reasons = sorted(json.loads((run / run_files.FAILED).read_text())["error"] for run in failed)
    assert len(reasons) == 2
    assert "the gradient of optimizer step" in reasons[0]
    assert reasons[1].startswith("out of memory")
    assert (killed["launcher"], killed["cell"]) >= (KILLS, CELL_KILLS)
    for run in done:
        assert events(run)["trained"] == 1, run.name
        steps = [
            json.loads(line)["step"] for line in (run / run_files.CURVE).open(encoding="utf-8")
        ]
        assert steps == list(range(1, 13)), run.name
    assert sum(events(run)["begins"] for run in done) > GOOD
    assert not list(disturbed.glob("runs/*/.lock*"))
    assert rows(disturbed, "metrics.csv") == rows(undisturbed, "metrics.csv")
    assert rows(disturbed, "runs.csv", MEASURED) == rows(undisturbed, "runs.csv", MEASURED)


def test_two_launches_share_the_work(undisturbed: Path) -> None:
    logs = [log_of(undisturbed.parent / name) for name in LAUNCHES]
    # Each did some of the work, and saw the other's as done.
    assert all(" done after " in log and "(another launch ran it)" in log for log in logs), logs
    done = [run for run in runs(undisturbed) if (run / run_files.TRAINED).exists()]
    assert len(done) == GOOD
    for run in done:
        assert events(run) == {"begins": 1, "trained": 1}, run.name
    assert not list(undisturbed.glob("runs/*/.lock*"))


def test_a_wish_to_stop_stops_the_sweep(project: Path, sweep: Path, tmp_path: Path) -> None:
    results = tmp_path / "stopped"
    launcher = start(project, sweep, results)
    deadline = time.monotonic() + 1000
    while not list(results.glob(f"runs/*/{run_files.CURVE}")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.kill(launcher.pid, signal.SIGINT)
    assert launcher.wait(timeout=1000) == 130, log_of(results)
    assert "Stopping after this step" in log_of(results)
    assert len(runs(results)) < GOOD
    assert not list(results.glob("runs/*/.lock*"))
    assert not list(results.glob(f"runs/*/{run_files.FAILED}"))
