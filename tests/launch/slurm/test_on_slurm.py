"""Sweeps on a real SLURM: arrays, every way to die, requeueing, collecting."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from doubles.trial_sweeps import PROJECT, freeze_cells, launch, parameters, run_path, wait_until
from tunegrid.cli import main
from tunegrid.config.errors import ConfigError
from tunegrid.launch import outcomes, runner
from tunegrid.launch import record as launches
from tunegrid.launch.outcomes import Outcome
from tunegrid.launch.record import Launch
from tunegrid.launch.slurm import collecting, queue, record, submission
from tunegrid.store import run_files

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.usefixtures("cluster")]

Freeze = Callable[..., Launch]
LONG = "train.max_steps=100000"


class Background:
    """A launch that is waited for in a thread, so that the test can do harm meanwhile."""

    def __init__(self, of: Launch, **settings: Any) -> None:
        self.of = of
        self.outcomes: list[Outcome] = []
        # Submitted here: submitit sets signal handlers nowhere, but keeps global state.
        self.submission = submission.submit(of, range(len(of.entries)), parameters(of, **settings))
        self.thread = threading.Thread(target=self._wait)
        self.thread.start()

    def _wait(self) -> None:
        self.outcomes = collecting.wait(self.of, self.submission)

    def job(self, index: int) -> str:
        return next(job for job, cells in self.submission.jobs.items() if index in cells)

    def log(self, index: int) -> str:
        paths = [self.submission.log(self.job(index), stream) for stream in ("out", "err")]
        return "".join(path.read_text() for path in paths if path.exists())

    def ended(self) -> list[Outcome]:
        self.thread.join(200)
        assert not self.thread.is_alive()
        return self.outcomes


def steps(of: Launch, index: int) -> int:
    curve = run_path(of, index) / run_files.CURVE
    return len(curve.read_text().splitlines()) if curve.exists() else 0


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=500).stdout


def state_of(job: str) -> str:
    """SLURM's word for a job that has ended, once its accounts have it."""

    def ended() -> str:
        status = (queue.ask([job]) or {}).get(job)
        return status.state if status is not None and status.has_ended else ""

    state: str = wait_until(ended)
    return state


def run_py(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "run.py"), "-m", "eval=none", "train.max_steps=10"]
    command += ["runtime.device=cpu", "runtime.progress=false", "hydra/launcher=slurm"]
    command += ["hydra.launcher.timeout_min=5", "hydra.launcher.cpus_per_task=1", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=500)


def adapter_sha(run: Path) -> str:
    return hashlib.sha256((run / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest()


def test_a_sweep_larger_than_an_array_is_split_and_done(tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = run_py(f"runtime.results={results}", "seed=0,1,2,3,4,5")
    assert done.returncode == 0, done.stderr
    assert "6 runs: 6 done" in done.stdout
    of = record.latest(results, None)
    jobs = record.read(of.directory).jobs
    # MaxArraySize is 4 on this cluster.
    assert [sum(job.startswith(f"{a}_") for job in jobs) for a in arrays(jobs)] == [4, 2]
    assert [record.read_outcome(of.directory, i) for i in range(6)] == [("done", "")] * 6
    assert jobs
    assert all(state_of(job) == "COMPLETED" for job in jobs)


def arrays(jobs: Any) -> list[str]:
    return list(dict.fromkeys(job.partition("_")[0] for job in jobs))


def test_every_way_to_die_leaves_the_others_results(frozen: Freeze) -> None:
    of = frozen(
        [
            ["seed=1"],
            ["train.max_length_tokens=8"],
            [LONG, "seed=2"],
            ["train.examples_per_step=4096", "runtime.micro_batch_tokens=2000000"],
            [LONG, "seed=3"],
        ]
    )
    running_launch = Background(of, max_num_timeout=0)
    wait_until(lambda: steps(of, 2))
    kill_job(running_launch.job(2))
    wait_until(lambda: steps(of, 4))
    # Within ten minutes of its limit, which is all of this job, USR2 means that time is over.
    slurm("scancel", "--signal=USR2", running_launch.job(4))
    fine, raised, killed, memory, late = running_launch.ended()
    assert fine.state == outcomes.DONE
    assert {raised.state, killed.state, memory.state, late.state} == {outcomes.FAILED}
    assert "train.max_length_tokens=8" in raised.reason
    assert "exit code 9:0" in killed.reason or "0:9" in killed.reason
    assert "out of memory. Raise hydra.launcher.mem_gb" in memory.reason
    assert "out of time" in late.reason
    for index, outcome in enumerate([raised, killed, memory, late], start=1):
        noted = json.loads((run_path(of, index) / run_files.FAILED).read_text())
        assert noted["error"].splitlines()[0] in outcome.reason
        assert not (run_path(of, index) / run_files.LOCK).exists()
    # The cell that ran out of time can be continued from where it was stopped.
    assert list((run_path(of, 4) / run_files.CHECKPOINTS).glob("checkpoint-*"))
    # A cell's Python failure is a failed job to SLURM.
    assert state_of(running_launch.job(1)) == "FAILED"
    assert state_of(running_launch.job(0)) == "COMPLETED"


def kill_job(job: str) -> None:
    """Kill the first process of a job, as the system does when its memory is short."""
    for process in psutil.process_iter():
        try:
            if "submitit.core._submit" not in process.cmdline():
                continue
            given = process.environ()
        except psutil.Error:
            continue
        own = f"{given['SLURM_ARRAY_JOB_ID']}_{given['SLURM_ARRAY_TASK_ID']}"
        if own == job and process.name().startswith("python"):
            process.send_signal(signal.SIGKILL)
            return
    raise AssertionError(f"no process of job {job}")


def test_a_preempted_cell_goes_on_to_the_same_adapter(frozen: Freeze, tmp_path: Path) -> None:
    of = frozen([["train.max_steps=30", "seed=7"]])
    disturbed = Background(of)
    [job] = disturbed.submission.jobs
    wait_until(lambda: steps(of, 0) >= 2)
    slurm("scancel", "--signal=USR2", job)
    wait_until(lambda: "Requeued job" in disturbed.log(0))
    [checkpoint] = (run_path(of, 0) / run_files.CHECKPOINTS).glob("checkpoint-*")
    first = int(checkpoint.name.rpartition("-")[2])
    assert 2 <= first < 30
    # Then without a word before: SIGTERM, and SIGKILL after KillWait.
    wait_until(lambda: steps(of, 0) > first + 1)
    slurm("scontrol", "requeue", job)
    [outcome] = disturbed.ended()
    assert outcome.state == outcomes.DONE, outcome.reason
    curve = (run_path(of, 0) / run_files.CURVE).read_text().splitlines()
    assert [json.loads(line)["step"] for line in curve] == list(range(1, 31))
    assert "SIGTERM: the cells stop after this step" in disturbed.log(0)
    alone = freeze_cells(tmp_path / "alone", [["train.max_steps=30", "seed=7"]], [])
    assert runner.run_cells([launches.frozen_cell(alone, 0)])[0].state == outcomes.DONE
    assert adapter_sha(run_path(of, 0)) == adapter_sha(run_path(alone, 0))


def test_detach_then_status_then_collect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    submitted = run_py(f"runtime.results={results}", "seed=0,1", "runtime.detach=true")
    assert submitted.returncode == 0, submitted.stderr
    assert "tunegrid collect config" in submitted.stderr

    def command(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main.main([*words, "--results", str(results)])
        return int(ended.value.code or 0)

    assert command("collect", "config", "--no-wait") == 0
    assert "2 cells wait or run" in capsys.readouterr().err
    assert command("collect", "config") == 0
    assert "2 runs: 2 done" in capsys.readouterr().out
    assert command("status", "config") == 0
    assert "done" in capsys.readouterr().out


def test_a_killed_launcher_is_collected_by_another(frozen: Freeze) -> None:
    of = frozen([["seed=1"], [LONG]])
    first = submission.submit(of, [0, 1], parameters(of))
    wait_until(lambda: steps(of, 1))
    slurm("scancel", next(job for job, cells in first.jobs.items() if 1 in cells))
    done, cancelled = collecting.wait(of, record.read(of.directory))
    assert done.state == outcomes.DONE
    # Cancelled is not failed: the same sweep goes on with it.
    assert cancelled.state == outcomes.INTERRUPTED
    assert "was cancelled" in cancelled.reason
    assert not (run_path(of, 1) / run_files.FAILED).exists()
    assert list((run_path(of, 1) / run_files.CHECKPOINTS).glob("checkpoint-*"))


def test_cells_that_share_a_job_also_share_their_base(frozen: Freeze, tmp_path: Path) -> None:
    of = frozen([["seed=1"], ["seed=2"]], "runtime.cells_per_job=2")
    assert [outcome.state for outcome in launch(of)] == ["done", "done"]
    assert list(record.read(of.directory).jobs.values()) == [(0, 1)]
    again = frozen([["seed=1"], ["seed=2"]], "runtime.cells_per_job=2", "eval=mini", "eval.limit=4")
    assert [outcome.state for outcome in launch(again)] == ["done", "done"]
    submitted = record.read(again.directory)
    [job] = submitted.jobs
    assert "2 cells, 1 loads of a base" in submitted.log(job).read_text()


def test_launching_from_inside_a_job(tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = (
        f"{sys.executable} {PROJECT / 'run.py'} -m eval=none train.max_steps=10 "
        f"runtime.device=cpu runtime.results={results} seed=4 hydra/launcher=slurm "
        "hydra.launcher.timeout_min=5 hydra.launcher.mem_gb=2"
    )
    log = tmp_path / "outer.log"
    # The outer job's memory is given by processor, the inner one's by node.
    slurm("sbatch", "--mem-per-cpu=1200", f"--output={log}", f"--wrap={command}")
    wait_until(lambda: log.exists() and "1 runs: 1 done" in log.read_text(), 120)


def test_what_slurm_refuses_is_said_in_its_words(frozen: Freeze) -> None:
    of = frozen([["seed=1"], ["seed=2"]])
    with pytest.raises(ConfigError, match="invalid partition specified: nowhere"):
        launch(of, partition="nowhere")
    assert not (of.directory / record.JOBS).exists()
    assert not list((of.directory / "slurm").glob("*.pkl"))


def test_a_second_array_that_is_refused_takes_the_first_back(
    frozen: Freeze, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = frozen([[f"seed={i}"] for i in range(5)])
    calls = []

    def refused_later(*arguments: Any) -> list[str]:
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("sbatch: error: QOSMaxSubmitJobPerUserLimit")
        return submit_array(*arguments)

    submit_array = submission._submit_array
    monkeypatch.setattr(submission, "_submit_array", refused_later)
    with pytest.raises(ConfigError, match="QOSMaxSubmitJobPerUserLimit"):
        launch(of)
    assert slurm("squeue", "--noheader", "--states=PENDING,RUNNING").strip() == ""


def test_a_cell_that_changed_since_its_launch_is_refused(frozen: Freeze, tmp_path: Path) -> None:
    data = tmp_path / "mine.json"
    example = {"instruction": "Say a.", "input": "", "output": "a"}
    data.write_text(json.dumps([example] * 40))
    of = frozen([["seed=1"]], "data=files", f"data.files=[{data}]")
    data.write_text(json.dumps([example] * 41))
    [outcome] = launch(of)
    assert outcome.state == outcomes.REFUSED
    assert "has changed since" in outcome.reason
    assert (run_path(of, 0) / run_files.FAILED).exists()
    assert os.path.exists(run_path(of, 0) / run_files.CELL)
