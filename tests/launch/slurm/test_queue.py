"""What SLURM's own commands say, and what a silent one means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from doubles.slurm_commands import answer
from tunegrid.launch.slurm import queue
from tunegrid.launch.slurm.queue import Status


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
