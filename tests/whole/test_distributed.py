"""A cell on several processes: who started them, one set of files, how they end together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from doubles.whole_cells import only_run, popen
from tunegrid.config.errors import ConfigError
from tunegrid.launch.distributed import cell
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

TORCHRUN = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}
TASK = {
    "SLURM_JOB_ID": "71",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_NUM_NODES": "1",
    "SLURM_JOB_NODELIST": "alone",
}


def test_torchrun_gives_each_process_its_place():
    place = cell.from_environment(2, environment=TORCHRUN)
    assert place is not None
    assert (place.rank, place.local_rank, place.world_size) == (1, 1, 2)
    assert (place.rendezvous, place.source) == ("env://", "torchrun")


@pytest.mark.parametrize("wanted", [1, 4])
def test_torchrun_with_another_number_of_processes_is_refused(wanted):
    with pytest.raises(ConfigError, match=r"started 2 processes; set runtime.gpus_per_cell=2"):
        cell.from_environment(wanted, environment=TORCHRUN)


def test_srun_gives_each_task_its_place_and_one_address():
    first = cell.from_environment(4, "cell", TASK)
    assert first is not None
    assert (first.rank, first.local_rank, first.world_size) == (3, 1, 4)
    assert first.rendezvous.startswith("tcp://127.0.0.1:")
    assert cell.from_environment(4, "cell", TASK | {"SLURM_PROCID": "0"}).rendezvous == (
        first.rendezvous
    )
    other = cell.from_environment(4, "other cell", TASK)
    assert other is not None
    assert other.rendezvous != first.rendezvous


def test_tasks_on_several_nodes_meet_at_the_first_one(tmp_path, monkeypatch):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\n[ "$3" = "n[7-8]" ] && printf "n7\\nn8\\n"\n')
    scontrol.chmod(0o755)
    nodes = TASK | {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "n[7-8]"}
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert "//n7:" in cell.from_environment(4, environment=nodes).rendezvous
    given = nodes | {"MASTER_ADDR": "n9", "MASTER_PORT": "1234"}
    assert cell.from_environment(4, environment=given).rendezvous == "tcp://n9:1234"
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="set MASTER_ADDR"):
        cell.from_environment(4, environment=nodes)


@pytest.mark.parametrize(
    ("wanted", "environment"),
    [
        (1, {}),
        (4, {}),
        (1, {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}),
        # An interactive job, and a sweep started within an allocation of four tasks.
        (1, TASK | {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"}),
        (1, TASK),
        (2, TASK),
        (4, TASK | {"SLURM_STEP_NUM_TASKS": "1"}),
        (4, {name: value for name, value in TASK.items() if "STEP" not in name}),
    ],
)
def test_whatever_else_is_one_plain_process(wanted, environment):
    assert cell.from_environment(wanted, environment=environment) is None


SMALL = [
    "train.max_steps=12",
    "train.examples_per_step=5",
    "train.checkpoints_per_epoch=1000000",
    "peft.options.lora_dropout=0",
    "stage=train",
    "runtime.device=cpu",
    "runtime.threads=1",
    "runtime.progress=false",
]
ALONE = [sys.executable]
TOGETHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def start(
    project: Path, results: Path, *words: str, by: list[str] = ALONE
) -> subprocess.Popen[str]:
    command = [*by, str(project / "run.py"), *SMALL, f"runtime.results={results}", *words]
    return popen(command, results.parent)


def losses(run: RunDirectory) -> list[float]:
    return [record["loss"] for record in run.read_lines(run_files.CURVE)]


def files(run: RunDirectory) -> list[str]:
    return sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*"))


def wait_for_step(results: Path, step: int) -> RunDirectory:
    deadline = time.monotonic() + 1000
    while time.monotonic() < deadline:
        for path in results.glob(f"runs/*/{run_files.CURVE}"):
            run = RunDirectory(path.parent)
            if len(run.read_lines(run_files.CURVE)) >= step:
                return run
        time.sleep(0.02)
    raise AssertionError(f"step {step} was not reached in a quarter of an hour")


def others(run: RunDirectory) -> list[psutil.Process]:
    """The processes that train along with the one that holds the lock."""
    leader = psutil.Process(json.loads((run.path / run_files.LOCK).read_text())["pid"])
    return [one for one in leader.parent().children() if one.pid != leader.pid]


@pytest.fixture(scope="module")
def alone(project: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The cell trained by one process."""
    results = tmp_path_factory.mktemp("alone") / "results"
    process = start(project, results)
    _, errors = process.communicate(timeout=1000)
    assert process.returncode == 0, errors
    return only_run(results)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_torchrun_trains_the_same_cell_with_one_set_of_files(project, alone, tmp_path):
    results = tmp_path / "results"
    process = start(project, results, "runtime.gpus_per_cell=2", by=TOGETHER)
    output, errors = process.communicate(timeout=1000)
    assert process.returncode == 0, errors
    run = only_run(results)
    assert run.path.name == alone.path.name
    assert losses(run) == pytest.approx(losses(alone), abs=1e-5)
    assert files(run) == files(alone)
    assert output.count(str(run.path)) == 1
    assert len(list(results.glob("launches/*/*"))) == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_stopped_on_two_processes_it_goes_on_with_one(project, alone, tmp_path):
    results = tmp_path / "results"
    process = start(project, results, "runtime.gpus_per_cell=2")
    run = wait_for_step(results, 3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=1000)
    assert process.returncode == 130, errors
    reached = len(losses(run))
    assert reached < 12
    assert not run.has(run_files.LOCK)
    process = start(project, results)
    _, errors = process.communicate(timeout=1000)
    assert process.returncode == 0, errors
    assert run.read(run_files.TRAINED)["resumed_from"] == reached
    assert losses(run) == pytest.approx(losses(alone), abs=1e-5)
    assert files(run) == files(alone)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_process_that_dies_ends_the_others_and_the_cell_says_which(project, tmp_path):
    results = tmp_path / "results"
    process = start(project, results, "runtime.gpus_per_cell=2", "train.max_steps=5000")
    run = wait_for_step(results, 2)
    everyone = psutil.Process(process.pid).children(recursive=True)
    (other,) = others(run)
    os.kill(other.pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=1000)
    assert process.returncode == 1
    assert "process 1 of the 2 that train the cell was ended by SIGKILL" in errors
    assert "process 1 of the 2" in run.read(run_files.FAILED)["error"]
    assert not run.has(run_files.LOCK)
    assert psutil.wait_procs(everyone, timeout=300)[1] == []
