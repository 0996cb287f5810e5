"""What is asked of SLURM and how its answers are read, without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doubles.slurm_commands import answer, launch_of
from tunegrid.config.errors import ConfigError
from tunegrid.launch.slurm import queue, submission


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


LARGE = {"hidden_size": 4096, "n_layer": 30, "vocab_size": 250880}


@pytest.mark.parametrize(
    ("numbers", "device", "asked"),
    [
        (LARGE, "auto", 1),
        ({"model_type": "something new"}, "auto", 1),
        (LARGE, "cpu", None),
        (None, "auto", None),
    ],
)
def test_the_script_of_a_job_asks_for_a_gpu_where_the_base_is_large(
    tmp_path: Path, commands: Path, numbers: dict[str, Any], device: str, asked: int | None
) -> None:
    for name in queue.COMMANDS:
        answer(commands, name, "Submitted batch job 71")
    one = launch_of(tmp_path, [("a", "fp32")], numbers, device=device)
    parameters = {
        "submitit_folder": str(tmp_path / "slurm" / "%j"),
        "max_num_timeout": 1,
        "signal_delay_s": 120,
        "array_parallelism": 2,
    }
    submission.submit(one, [0], parameters)
    # submitit keeps a copy for each task.
    script = next((tmp_path / "slurm").rglob("*submission*.sh")).read_text()
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH") and "gpu" in line]
    assert lines == ([] if asked is None else [f"#SBATCH --gpus-per-node={asked}"])


@pytest.mark.parametrize("given", [{"gpus_per_node": 0}, {"gres": "gpu:0"}])
def test_no_gpu_for_a_large_base_is_refused_unless_the_cpu_is_asked_for(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"1,000,000,000 parameters\); leave it out, or set"):
        submission.divided(launch_of(tmp_path, [("a", "fp32")], LARGE), [0], given)
    for numbers, device in ((LARGE, "cpu"), (None, "auto")):
        one = launch_of(tmp_path, [("a", "fp32")], numbers, device=device)
        assert submission.divided(one, [0], given) == [({"tasks_per_node": 1}, [(0,)])]


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
