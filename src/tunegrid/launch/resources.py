"""The part of a machine that one cell may take: threads, GPUs, memory.

Owns: dividing a machine among cells that run at once. Called in a cell's own process, before
anything touches a GPU.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from tunegrid.config.choices import Device
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig
from tunegrid.models.bases import gpus

VISIBLE = "CUDA_VISIBLE_DEVICES"
VISIBLE_ROCM = "HIP_VISIBLE_DEVICES"
"""What AMD's library reads first; it takes CUDA's name as well."""
VISIBLE_ROCR = "ROCR_VISIBLE_DEVICES"
"""What the layer below reads: devices that it leaves out are not numbered above it."""
NVIDIA = Path("/proc/driver/nvidia/gpus")
MIG = Path("/proc/driver/nvidia/capabilities")

_COUNT = (
    "import torch\nprint(torch._C._cuda_getDeviceCount() if torch.cuda.is_available() else 0)\n"
)


def take_share(config: CellConfig, slot: int, of: int, own: Sequence[str] | None = None) -> None:
    """Restrict this process to its part: the slot-th of so many equal ones.

    Args:
        config: names device, threads, GPUs a cell and the memory limit.
        slot: from 0 to of - 1.
        of: cells at once.
        own: the GPUs of the slot, where whoever started this process has divided them already.

    Raises:
        ConfigError: the slot has fewer GPUs than the cell takes.
    """
    if config.runtime.memory_limit_gb is not None:
        _limit_memory(config.runtime.memory_limit_gb)
    take_gpus(config, slot, of, own)
    if of > 1 and config.runtime.threads is None:
        import torch

        torch.set_num_threads(max(1, cores() // of))


def take_gpus(config: CellConfig, slot: int, of: int, own: Sequence[str] | None = None) -> None:
    """Have torch see the GPUs of this process alone; it must not have been imported for CUDA.

    A cell that runs alone on one GPU sees them all and takes the first.

    Raises:
        ConfigError: the slot has fewer GPUs than the cell takes.
    """
    each = config.runtime.gpus_per_cell
    if config.runtime.device is Device.cpu or (of == 1 and each == 1):
        return
    seen = visible_gpus() if own is None else own
    if not seen and own is None:
        return
    taken = list(seen[:each] if own is not None else seen[slot * each : (slot + 1) * each])
    if len(taken) < each:
        there = f"{len(visible_gpus())} can be seen"
        raise ConfigError(
            f"runtime.gpus_per_cell={each} for {of} cells at once takes {each * of} GPUs, and "
            f"{there}; lower runtime.parallel or runtime.gpus_per_cell, or choose "
            "runtime.device=cpu"
        )
    if of > 1:
        os.environ[VISIBLE_ROCM if gpus.torch_build() == "rocm" else VISIBLE] = ",".join(taken)


def gpus_of_slot(configs: Sequence[CellConfig], slot: int, of: int) -> tuple[str, ...] | None:
    """Return the GPUs that cells in a slot may take; None where there is nothing to divide.

    Slots are as wide as the widest cell needs, so that no two of them overlap.
    """
    if of == 1 or all(one.runtime.device is Device.cpu for one in configs):
        return None
    seen = visible_gpus()
    width = max(one.runtime.gpus_per_cell for one in configs)
    return tuple(seen[slot * width : (slot + 1) * width]) if seen else None


def problems_at_once(configs: Sequence[CellConfig]) -> list[str]:
    """Return why these cells of one sweep cannot run at once on this machine."""
    parallel = configs[0].runtime.parallel
    on_gpus = [one.runtime for one in configs if one.runtime.device is not Device.cpu]
    each = max((one.gpus_per_cell for one in on_gpus), default=0)
    # One cell on one GPU fits wherever there is any; counting may take seconds.
    seen = visible_gpus() if parallel * each > 1 else []
    if seen and parallel * each > len(seen):
        return [
            f"runtime.parallel={parallel} cells with runtime.gpus_per_cell={each} take "
            f"{parallel * each} GPUs, and {len(seen)} can be seen; lower "
            "runtime.parallel or runtime.gpus_per_cell, or choose runtime.device=cpu"
        ]
    if not seen and parallel > cores():
        return [
            f"runtime.parallel={parallel} is more than the {cores()} cores of this "
            "machine; lower it"
        ]
    return []


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Return the GPUs this process may use, by index or identifier; loads no torch here.

    Identifiers of cards and of their parts (`GPU-...`, `MIG-...`) are what the environment says.
    """
    build = gpus.torch_build()
    if build == "cpu" or gpus.driver() is None:
        return []
    for name in (VISIBLE_ROCM, VISIBLE) if build == "rocm" else (VISIBLE,):
        if name in os.environ:
            return _listed(os.environ[name])
    if build == "rocm" and VISIBLE_ROCR in os.environ:
        return _numbered(len(_listed(os.environ[VISIBLE_ROCR])))
    if build == "cuda" and NVIDIA.is_dir() and not any(MIG.glob("gpu*/mig/gi*")):
        cards = len(list(NVIDIA.iterdir()))
        if cards:
            return _numbered(cards)
    return _numbered(_counted())


def _listed(given: str) -> list[str]:
    """Return the names of a variable: as for the driver, an unknown one ends the list."""
    names = [name.strip() for name in given.split(",")]
    return list(takewhile(lambda name: name not in ("", "-1"), names))


def _numbered(count: int) -> list[str]:
    return [str(index) for index in range(count)]


@functools.cache
def _counted() -> int:
    """Return how many GPUs torch sees, asked in a process of its own: asking initialises CUDA."""
    try:
        asked = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _COUNT], capture_output=True, text=True, timeout=300, check=True
        )
        return int(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        # What is wrong with it is said where torch is asked for a device.
        return 0


def _limit_memory(gigabytes: float) -> None:
    import resource

    limit = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
