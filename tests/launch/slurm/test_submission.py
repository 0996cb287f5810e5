"""What is asked of SLURM and how its answers are read, without one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.launch import record as launches
from tunegrid.launch.outcomes import Outcome
from tunegrid.launch.record import Entry, Launch
from tunegrid.launch.slurm import collecting, failures, job, queue, record, submission
from tunegrid.launch.slurm.queue import Status
from tunegrid.launch.slurm.record import Submission


def launch_of(tmp_path: Path, cells: Sequence[tuple[str, str]], **runtime: Any) -> Launch:
    settings = {"gpus_per_cell": 1, "cells_per_job": 1, "parallel": 1, "device": "auto", **runtime}
    entries = [
        Entry(f"cell{i}", (), (), {"model": base, "quantization": held, "runtime": settings})
        for i, (base, held) in enumerate(cells)
    ]
    return Launch(tmp_path, "sweep", "now", "slurm", "host", 1, tmp_path, tmp_path, tuple(entries))


def answer(folder: Path, command: str, text: str, code: int = 0) -> None:
    """Put a command on the PATH that prints a text."""
    folder.mkdir(exist_ok=True)
    path = folder / command
    channel = ">&2" if code else ""
    path.write_text(f"#!/bin/sh\ncat {channel} <<'END'\n{text}\nEND\nexit {code}\n")
    path.chmod(0o755)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of commands that stand first on the PATH."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    return folder


def test_cells_of_a_job_have_one_base_and_one_quantization(tmp_path: Path) -> None:
    cells = [("a", "fp32"), ("b", "fp32"), ("a", "fp32"), ("a", "nf4"), ("a", "fp32")]
    [(wanted, groups)] = submission.divided(
        launch_of(tmp_path, cells, cells_per_job=2), [0, 1, 2, 3, 4], {}
    )
    assert groups == [(0, 2), (4,), (1,), (3,)]
    assert wanted == {"tasks_per_node": 1}


def test_cells_of_one_training_are_never_separated(tmp_path: Path) -> None:
    one = launch_of(tmp_path, [("a", "fp32")] * 4)
    shared = tuple(replace(entry, train_id=f"cell{i % 2}") for i, entry in enumerate(one.entries))
    [(_, groups)] = submission.divided(replace(one, entries=shared), [0, 1, 2, 3], {})
    assert groups == [(0, 2), (1, 3)]


@pytest.mark.parametrize(
    ("runtime", "given", "wanted"),
    [
        ({}, {}, {"tasks_per_node": 1}),
        ({"device": "cuda"}, {}, {"tasks_per_node": 1, "gpus_per_node": 1}),
        ({"device": "cuda"}, {"gres": "gpu:a100:1"}, {"tasks_per_node": 1}),
        ({"gpus_per_cell": 4}, {}, {"tasks_per_node": 1, "gpus_per_node": 4}),
        ({"gpus_per_cell": 4}, {"nodes": 2}, {"tasks_per_node": 2, "gpus_per_node": 2}),
        ({"gpus_per_cell": 4, "device": "cpu"}, {}, {"tasks_per_node": 1}),
        ({"parallel": 2, "cells_per_job": 8}, {}, {"tasks_per_node": 1, "gpus_per_node": 2}),
    ],
)
def test_a_job_asks_for_its_cells_gpus(
    tmp_path: Path, runtime: dict[str, Any], given: dict[str, Any], wanted: dict[str, Any]
) -> None:
    one = launch_of(tmp_path, [("a", "fp32")], **runtime)
    assert submission.divided(one, [0], given) == [(wanted, [(0,)])]


@pytest.mark.parametrize(
    ("runtime", "given", "word"),
    [
        ({"gpus_per_cell": 3}, {"nodes": 2}, "cannot be divided"),
        ({}, {"tasks_per_node": 2}, "would start the same cell 2 times"),
        ({"gpus_per_cell": 4}, {"gpus_per_node": 2}, "need 4 on each node"),
        ({"gpus_per_cell": 2, "parallel": 2, "cells_per_job": 2}, {"nodes": 2}, "must be 1"),
    ],
)
def test_resources_that_do_not_fit_are_refused(
    tmp_path: Path, runtime: dict[str, Any], given: dict[str, Any], word: str
) -> None:
    one = launch_of(tmp_path, [("a", "fp32")], **runtime)
    with pytest.raises(ConfigError, match=word):
        submission.divided(one, [0], given)


def test_arrays_divide_the_jobs_at_once() -> None:
    assert submission.parallelism(64, 1) == [64]
    assert submission.parallelism(7, 3) == [3, 2, 2]
    assert submission.parallelism(1, 3) == [1, 1, 1]


def test_a_machine_without_slurm_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"sbatch, srun.* not on the PATH"):
        submission.submit(launch_of(tmp_path, [("a", "fp32")]), [0], {})


def test_the_states_of_jobs_are_read(commands: Path) -> None:
    answer(commands, "squeue", "7_[2-3,5%2]|PENDING||N/A|Resources\n7_0|RUNNING||2026-11-22|None")
    answer(
        commands,
        "sacct",
        "7_0|FAILED|1:0|2026-11-22|None\n7_1|CANCELLED by 1000|0:15|2026-11-22|None\n"
        "7_4|RUNNING|0:0|2026-11-22|None",
    )
    known = queue.ask([f"7_{task}" for task in range(6)])
    assert known is not None
    # squeue is right about what lives; 7_4 has left it, and sacct does not know yet how.
    assert {job: status.state for job, status in known.items()} == {
        "7_0": "RUNNING",
        "7_1": "CANCELLED",
        "7_2": "PENDING",
        "7_3": "PENDING",
        "7_5": "PENDING",
    }
    assert known["7_1"].remark == "by 1000"
    assert not known["7_2"].started


def test_without_accounts_the_queue_alone_answers(commands: Path) -> None:
    answer(commands, "squeue", "8|FAILED||2026-11-22|NonZeroExitCode")
    answer(commands, "sacct", "Slurm accounting storage is disabled", 1)
    assert queue.ask(["8"]) == {"8": Status("FAILED", "", True, "NonZeroExitCode")}


def test_a_silent_slurm_is_no_ended_job(commands: Path) -> None:
    answer(commands, "squeue", "Unable to contact slurm controller", 1)
    answer(commands, "sacct", "9|RUNNING|0:0|2026-11-22|None")
    assert queue.ask(["9"]) == {"9": Status("RUNNING", "0:0", True, "")}
    answer(commands, "sacct", "Connection refused", 1)
    assert queue.ask(["9"]) is None


def test_the_largest_array_is_read(commands: Path) -> None:
    answer(commands, "scontrol", "MaxArraySize            = 2001\nMaxJobCount = 10000")
    assert queue.max_array_size() == 2001


def test_the_job_around_a_launch_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    inherited = {"SLURM_JOB_ID": "1", "SLURM_MEM_PER_CPU": "500", "SBATCH_MEM_BIND": "none"}
    kept = {"SLURM_CONF": "/etc/slurm.conf", "SBATCH_ACCOUNT": "mine"}
    for name, value in {**inherited, **kept}.items():
        monkeypatch.setenv(name, value)
    with queue.outside_environment():
        assert not set(inherited) & set(os.environ)
        assert {name: os.environ[name] for name in kept} == kept
    assert {name: os.environ[name] for name in inherited} == inherited


@pytest.mark.parametrize(
    ("status", "log", "word"),
    [
        (Status("OUT_OF_MEMORY", "0:125"), "", "hydra.launcher.mem_gb"),
        (Status("FAILED", "9:0"), "StepId=2.0 exceeded memory limit (2 > 1)", "mem_gb"),
        (Status("TIMEOUT", "0:0"), "", "timeout_min"),
        (Status("FAILED", "12:0"), "", "timeout_min"),
        (Status("NODE_FAIL", "1:0"), "", "took its node away"),
        (Status("FAILED", "1:0"), None, "file system that all nodes share"),
        (Status("FAILED", "1:0"), "KeyError: 'x'\nsrun: error: task 0\n", ": KeyError: 'x'. Its"),
        (None, "", "no longer knows job 7_1"),
    ],
)
def test_a_death_is_explained(
    tmp_path: Path, status: Status | None, log: str | None, word: str
) -> None:
    path = tmp_path / "7_1_0_log.err"
    if log is not None:
        path.write_text(log)
    failure = failures.of_job("7_1", status, path)
    assert word in failure.error
    assert failure.stage == "slurm"
    assert failure.traceback == (log + "\n" if log and not log.endswith("\n") else log or "")


def test_progress_bars_do_not_hide_the_end_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log.err"
    bars = "".join(f"train: {step}/100\r" for step in range(100))
    path.write_text(f"loading\n{bars}slurmstepd: error: Killed\n")
    assert failures.log_tail(path) == "loading\nslurmstepd: error: Killed\n"


def test_jobs_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = Submission(tmp_path, "/logs/%j", {"7_0": (0, 2), "8": (1,)}, {2: 123456789})
    record.write(written)
    assert record.read(tmp_path) == written
    assert written.log("7_0") == Path("/logs/7_0/7_0_0_log.err")
    (tmp_path / record.JOBS).write_text("{}")
    with pytest.raises(StoreError, match="damaged"):
        record.read(tmp_path)


def test_a_launch_elsewhere_cannot_be_collected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no sweep was launched"):
        record.latest(tmp_path, None)


def test_a_node_that_does_not_see_the_launch_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"does not see .*cells\.json"):
        job.visible(tmp_path)
    assert not (tmp_path / launches.CELLS).exists()


def test_a_job_without_progress_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = []
    monkeypatch.setattr(job.signal, "signal", lambda *arguments: handlers.append(arguments))
    monkeypatch.setattr(job.Group, "_progress", lambda self: 10)
    group = job.Group(str(tmp_path), (0,), 30)
    for _ in range(job.RESTARTS_WITHOUT_PROGRESS):
        group = group.checkpoint().function
    assert group.checkpoint() is None
    monkeypatch.setattr(job.Group, "_progress", lambda self: 11)
    assert group.checkpoint().function.stalled == 0
    # A second USR2 underneath the first would requeue the job twice.
    assert handlers[0] == (job.signal.SIGUSR2, job.signal.SIG_IGN)


def test_what_cells_said_is_collected_from_a_silent_slurm(tmp_path: Path, commands: Path) -> None:
    for command in ("squeue", "sacct"):
        answer(commands, command, "Unable to contact slurm controller", 1)
    one = launch_of(tmp_path, [("a", "fp32")] * 2)
    submitted = Submission(tmp_path, "/logs/%j", {"7_0": (0,), "7_1": (1,)})
    record.write_outcome(tmp_path, 0, "failed", "KeyError", "7_0")
    outcomes, left = collecting.look(one, submitted)
    assert outcomes == [Outcome("cell0", "failed", "KeyError")]
    assert left == 1
    record.write_outcome(tmp_path, 1, "done", "", "7_1")
    assert [ended.state for ended in collecting.wait(one, submitted)] == ["failed", "done"]
