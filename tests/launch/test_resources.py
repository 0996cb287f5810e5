"""Cells that run at once divide a machine's cores and GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tunegrid.config.choices import Device
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig, RuntimeConfig
from tunegrid.launch import resources
from tunegrid.models.bases import gpus


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without GPUs and with eight cores."""
    monkeypatch.setattr(resources, "NVIDIA", tmp_path / "gpus")
    monkeypatch.setattr(resources, "MIG", tmp_path / "capabilities")
    monkeypatch.setattr(gpus, "DRIVERS", (str(tmp_path / "gpus"),))
    monkeypatch.setattr(gpus, "torch_build", lambda: "cuda")
    monkeypatch.setattr(resources, "_counted", lambda: 0)
    monkeypatch.setattr(resources, "cores", lambda: 8)
    # Set first, so that whatever a test makes of it is taken back.
    for name in (resources.VISIBLE, resources.VISIBLE_ROCM, resources.VISIBLE_ROCR):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
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


def test_parts_of_a_card_are_passed_through_and_an_unknown_one_ends_the_list(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpus(machine, 1)
    monkeypatch.setenv(resources.VISIBLE, "MIG-1a, MIG-2b,-1,3")
    assert resources.visible_gpus() == ["MIG-1a", "MIG-2b"]


@pytest.mark.parametrize("kind", ["MIG", "WSL2"])
def test_where_the_driver_lists_no_gpus_torch_counts(
    machine: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    machine.mkdir()
    if kind == "MIG":
        with_gpus(machine, 4)
        (machine.parent / "capabilities" / "gpu0" / "mig" / "gi7").mkdir(parents=True)
    monkeypatch.setattr(resources, "_counted", lambda: 1)
    assert resources.visible_gpus() == ["0"]


def test_amds_variables(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.mkdir()
    monkeypatch.setattr(gpus, "torch_build", lambda: "rocm")
    monkeypatch.setattr(resources, "_counted", lambda: 4)
    assert resources.visible_gpus() == ["0", "1", "2", "3"]
    monkeypatch.setenv(resources.VISIBLE_ROCR, "4,6")
    assert resources.visible_gpus() == ["0", "1"]
    monkeypatch.setenv(resources.VISIBLE, "3")
    assert resources.visible_gpus() == ["3"]
    monkeypatch.setenv(resources.VISIBLE_ROCM, "5,7")
    assert resources.visible_gpus() == ["5", "7"]
    resources.take_gpus(config(), 1, 2)
    assert os.environ[resources.VISIBLE_ROCM] == "7"


def test_gpus_that_torch_was_not_built_for_do_not_count(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpus(machine, 2)
    monkeypatch.setattr(gpus, "torch_build", lambda: "cpu")
    assert resources.visible_gpus() == []


def test_torch_is_asked_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert resources._counted() == torch.cuda.device_count()
    monkeypatch.setattr(resources, "_COUNT", "raise SystemExit(1)")
    assert resources._counted.__wrapped__() == 0


@pytest.mark.parametrize(
    ("each", "slot", "of", "own"),
    [(2, 0, 1, None), (1, 1, 2, None), (2, 0, 2, ("0",)), (1, 1, 2, ())],
)
def test_too_few_gpus_are_refused_and_nothing_is_hidden(
    machine: Path, threads: list[int], each: int, slot: int, of: int, own: tuple[str, ...] | None
) -> None:
    with_gpus(machine, 1)
    with pytest.raises(ConfigError, match="1 can be seen; lower"):
        resources.take_share(config(gpus_per_cell=each), slot, of, own)
    assert resources.VISIBLE not in os.environ


def test_slots_are_as_wide_as_the_widest_cell(machine: Path, threads: list[int]) -> None:
    cells = [config(gpus_per_cell=1), config(gpus_per_cell=2)]
    assert resources.gpus_of_slot(cells, 1, 2) is None
    with_gpus(machine, 4)
    assert resources.gpus_of_slot(cells, 0, 1) is None
    assert resources.gpus_of_slot([config(device=Device.cpu)], 1, 2) is None
    own = resources.gpus_of_slot(cells, 1, 2)
    assert own == ("2", "3")
    resources.take_share(cells[0], 1, 2, own)
    assert os.environ[resources.VISIBLE] == "2"
    assert resources.problems_at_once([config(parallel=3), config(parallel=3, gpus_per_cell=2)])


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
    assert resources.problems_at_once([config(parallel=8)]) == []
    (problem,) = resources.problems_at_once([config(parallel=9)])
    assert "8 cores" in problem
    with_gpus(machine, 2)
    assert resources.problems_at_once([config(parallel=2)]) == []
    assert resources.problems_at_once([config(parallel=3, device=Device.cpu)]) == []
    (problem,) = resources.problems_at_once([config(parallel=2, gpus_per_cell=2)])
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
