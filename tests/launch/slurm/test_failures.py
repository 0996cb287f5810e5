"""How a job died, in words, with the end of its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.launch.slurm import failures
from tunegrid.launch.slurm.queue import Status


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
