"""The device a plan is for, and what its maker states about it.

Owns: stated peaks and bandwidths, and which device this machine has. Imports no torch: the
driver's own program names the graphics cards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

import psutil

from tunegrid.config.choices import Device
from tunegrid.config.errors import ConfigError
from tunegrid.config.functions import suggestion
from tunegrid.config.schema import RuntimeConfig
from tunegrid.store.provenance import processor


@dataclass(frozen=True)
class Hardware:
    """One device; peaks in operations a second, bandwidth in bytes a second."""

    name: str
    is_cpu: bool
    half_peak: float | None
    """In 16 bit, dense; None where nothing is stated."""
    single_peak: float | None
    """In 32 bit."""
    bandwidth: float | None
    memory: float | None = None
    """Bytes."""


# From the makers' data sheets: dense tensor peak in 16 bit, peak in 32 bit (both in 10^12 a
# second), 10^9 bytes a second, and 10^9 bytes of memory (the smaller size where a card has two). A
# name means every card whose own name holds all its words.
STATED: dict[str, tuple[float, float, float, float]] = {
    "H100 PCIe": (756, 51, 2000, 80),
    "H100 NVL": (835, 60, 3900, 94),
    "H100": (989, 67, 3350, 80),
    "H200": (989, 67, 4800, 141),
    "A100 40GB": (312, 19.5, 1555, 40),
    "A100": (312, 19.5, 2039, 80),
    "A40": (149.7, 37.4, 696, 48),
    "L40S": (362, 91.6, 864, 48),
    "L4": (121, 30.3, 300, 24),
    "V100": (125, 15.7, 900, 16),
    "T4": (65, 8.1, 320, 16),
    "RTX 4090": (165.2, 82.6, 1008, 24),
    "RTX 3090": (71, 35.6, 936, 24),
}

# A CPU core of 2015 or later: two fused multiply-adds of eight numbers a cycle.
OPERATIONS_PER_CYCLE = 32
CYCLES_PER_SECOND = 2.5e9
CPU_BANDWIDTH = 2e10


def device_of(runtime: RuntimeConfig) -> Hardware:
    """Return the device a cell is planned for: the one that is named, or this machine's.

    Raises:
        ConfigError: `runtime.planned_device` names none whose figures are stated.
    """
    if runtime.planned_device is not None:
        return _stated(runtime.planned_device)
    if runtime.device is not Device.cpu:
        cards = graphics()
        if cards:
            return _with_figures(cards[0])
    return this_processor()


def device_name(hardware: dict[str, object], asked: str) -> str:
    """Return a device's name as a run's provenance records it.

    Args:
        hardware: `hardware` of provenance.json.
        asked: the run's `runtime.device`.
    """
    cards = hardware.get("graphics")
    if asked != "cpu" and isinstance(cards, list) and cards:
        return str(cards[0])
    return _processor_name(str(hardware.get("processor")), hardware.get("cores"))


def is_same(first: str, second: str) -> bool:
    """Return whether two names mean one device: equal, or cards of one stated name."""
    return first == second or (_key(first) is not None and _key(first) == _key(second))


@cache
def graphics() -> tuple[str, ...]:
    """Return the names of this machine's graphics cards, as the driver's program lists them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        listed = subprocess.run(  # noqa: S603 - fixed words, no user input
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip())


@cache
def this_processor() -> Hardware:
    """Return this machine's cores as a device, with a peak from their number and frequency."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    frequency = psutil.cpu_freq()
    fastest = (frequency.max or frequency.current) * 1e6 if frequency is not None else 0.0
    peak = (cores or 1) * (fastest or CYCLES_PER_SECOND) * OPERATIONS_PER_CYCLE
    memory = float(psutil.virtual_memory().total)
    return Hardware(_processor_name(processor(), cores), True, peak, peak, CPU_BANDWIDTH, memory)


def _processor_name(name: str, cores: object) -> str:
    return f"{name}, {cores} cores"


def _stated(name: str) -> Hardware:
    found = _with_figures(name)
    if found.half_peak is None:
        raise ConfigError(
            f"runtime.planned_device: nothing is stated about {name!r}{suggestion(name, STATED)}"
        )
    return found


def _with_figures(name: str) -> Hardware:
    key = _key(name)
    if key is None:
        return Hardware(name, False, None, None, None)
    half, single, bandwidth, memory = STATED[key]
    return Hardware(name, False, half * 1e12, single * 1e12, bandwidth * 1e9, memory * 1e9)


def _key(name: str) -> str | None:
    """Return under which name a card's figures stand, the most exact of several."""
    words = name.upper().replace("-", " ").split()
    fitting = [key for key in STATED if all(word in words for word in key.upper().split())]
    return max(fitting, key=len, default=None)
