"""The ends of cells are collected, also from a silent SLURM."""

from __future__ import annotations

from pathlib import Path

from doubles.slurm_commands import answer, launch_of
from tunegrid.launch.outcomes import Outcome
from tunegrid.launch.slurm import collecting, record
from tunegrid.launch.slurm.record import Submission


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
