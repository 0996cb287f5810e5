"""Cells that run at once divide a machine's cores and GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tunegrid.config.choices import Device
from tunegrid.config.schema import CellConfig, RuntimeConfig
from tunegrid.launch import resources


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without GPUs and with eight cores."""
    monkeypatch.setattr(resources, "NVIDIA", tmp_path / "gpus")
    monkeypatch.setattr(resources, "cores", lambda: 8)
    # Set first, so that whatever a test makes of it is taken back.
    monkeypatch.setenv(resources.VISIBLE, "")
    monkeypatch.delenv(resources.VISIBLE)
    return tmp_path / "gpus"


def with_gpus(place: Path, count: int) -> None:
    for number in range(count):
        (place / f"0000:{number}:00.0").mkdir(parents=True)


def config(**runtime: object) -> CellConfig:
    return CellConfig(runtime=RuntimeConfig(**runtime))  # type: ignore[arg-type]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What torch is told."""
    told: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    return told


def test_gpus_are_those_the_environment_leaves(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resources.visible_gpus() == []
    with_gpus(machine, 3)
    assert resources.visible_gpus() == ["0", "1", "2"]
    monkeypatch.setenv(resources.VISIBLE, "GPU-a, 2")
    assert resources.visible_gpus() == ["GPU-a", "2"]
    for hidden in ("", "-1"):
        monkeypatch.setenv(resources.VISIBLE, hidden)
        assert resources.visible_gpus() == []


def test_cells_at_once_divide_the_cores(threads: list[int]) -> None:
    resources.take_share(config(), 0, 3)
    resources.take_share(config(), 1, 100)
    assert threads == [2, 1]


def test_a_single_cell_and_given_threads_are_left_alone(threads: list[int]) -> None:
    resources.take_share(config(), 0, 1)
    resources.take_share(config(threads=5), 0, 3)
    assert threads == []


def test_each_slot_has_gpus_of_its_own(machine: Path, threads: list[int]) -> None:
    with_gpus(machine, 4)
    seen = []
    for slot in range(2):
        os.environ.pop(resources.VISIBLE, None)
        resources.take_share(config(gpus_per_cell=2), slot, 2)
        seen.append(os.environ[resources.VISIBLE])
    assert seen == ["0,1", "2,3"]


def test_cells_on_the_cpu_take_no_gpu(machine: Path, threads: list[int]) -> None:
    with_gpus(machine, 2)
    resources.take_share(config(device=Device.cpu), 0, 2)
    assert resources.VISIBLE not in os.environ


def test_what_the_machine_does_not_have_is_refused(machine: Path) -> None:
    assert resources.problems_at_once(config(parallel=8)) == []
    (problem,) = resources.problems_at_once(config(parallel=9))
    assert "8 cores" in problem
    with_gpus(machine, 2)
    assert resources.problems_at_once(config(parallel=2)) == []
    assert resources.problems_at_once(config(parallel=3, device=Device.cpu)) == []
    (problem,) = resources.problems_at_once(config(parallel=2, gpus_per_cell=2))
    assert "take 4 GPUs" in problem
    assert "2 can be seen" in problem


def test_a_cell_that_takes_more_memory_than_it_may_is_told_so() -> None:
    code = (
        "from tunegrid.config.schema import CellConfig, RuntimeConfig\n"
        "from tunegrid.launch import resources\n"
        "resources.take_share(CellConfig(runtime=RuntimeConfig(memory_limit_gb=0.5)), 0, 1)\n"
        "try:\n    bytes(2**30)\nexcept MemoryError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr
