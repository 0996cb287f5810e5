"""The device a plan is for: the one that is named, or this machine's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tunegrid.config.choices import Device
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import RuntimeConfig
from tunegrid.plan import devices


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that is the whole PATH, for a driver's program."""
    monkeypatch.setenv("PATH", str(tmp_path))
    devices.graphics.cache_clear()
    yield tmp_path / "nvidia-smi"
    devices.graphics.cache_clear()


def prints(program: Path, text: str) -> None:
    program.write_text(f"#!/bin/sh\nprintf '%s' '{text}'\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A100-PCIE-40GB", 312e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
    ],
)
def test_a_cards_figures_are_those_of_its_most_exact_name(name: str, peak: float) -> None:
    found = devices.device_of(RuntimeConfig(planned_device=name))
    assert (found.half_peak, found.is_cpu, found.name) == (peak, False, name)


def test_the_smaller_of_two_cards_of_a_name_is_slower() -> None:
    small, large = (
        devices.device_of(RuntimeConfig(planned_device=n)) for n in ("A100 40GB", "A100")
    )
    assert small.bandwidth is not None
    assert large.bandwidth is not None
    assert small.bandwidth < large.bandwidth


def test_a_card_nobody_states_anything_about_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"runtime\.planned_device.*did you mean 'A100'"):
        devices.device_of(RuntimeConfig(planned_device="A1000"))


def test_this_machines_card_is_the_drivers_first(driver: Path) -> None:
    prints(driver, "NVIDIA A100-SXM4-80GB\nTesla T4\n")
    assert devices.device_of(RuntimeConfig()).name == "NVIDIA A100-SXM4-80GB"
    assert devices.device_of(RuntimeConfig(device=Device.cpu)).is_cpu


def test_an_unknown_card_has_a_name_and_no_figures(driver: Path) -> None:
    prints(driver, "Own Card 9000\n")
    found = devices.device_of(RuntimeConfig())
    assert (found.name, found.half_peak, found.bandwidth) == ("Own Card 9000", None, None)


def test_without_a_driver_the_processor_is_planned_for(driver: Path) -> None:
    assert devices.graphics() == ()
    found = devices.device_of(RuntimeConfig())
    assert found.is_cpu
    assert found.half_peak is not None
    assert found.half_peak > 1e9


def test_names_of_runs_are_those_of_plans() -> None:
    recorded = {"processor": "Own CPU", "cores": 4, "graphics": ["NVIDIA A100-SXM4-80GB"]}
    assert devices.device_name(recorded, "auto") == "NVIDIA A100-SXM4-80GB"
    assert devices.device_name(recorded, "cpu") == "Own CPU, 4 cores"
    assert devices.is_same("A100", "NVIDIA A100-SXM4-80GB")
    assert not devices.is_same("A100", "H100")
    assert not devices.is_same("Own CPU, 4 cores", "Own CPU, 8 cores")
