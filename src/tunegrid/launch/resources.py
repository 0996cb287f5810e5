"""The part of a machine that one cell may take: threads, GPUs, memory.

Owns: dividing a machine among cells that run at once. Called in a cell's own process, before
anything touches a GPU.
"""

from __future__ import annotations

import os
from pathlib import Path

from tunegrid.config.choices import Device
from tunegrid.config.schema import CellConfig

VISIBLE = "CUDA_VISIBLE_DEVICES"
NVIDIA = Path("/proc/driver/nvidia/gpus")


def take_share(config: CellConfig, slot: int, of: int) -> None:
    """Restrict this process to its part: the slot-th of so many equal ones.

    Args:
        config: names device, threads, GPUs a cell and the memory limit.
        slot: from 0 to of - 1.
        of: cells at once.
    """
    if config.runtime.memory_limit_gb is not None:
        _limit_memory(config.runtime.memory_limit_gb)
    if of == 1:
        return
    if config.runtime.threads is None:
        import torch

        torch.set_num_threads(max(1, cores() // of))
    gpus = visible_gpus() if config.runtime.device is not Device.cpu else []
    if gpus:
        each = config.runtime.gpus_per_cell
        os.environ[VISIBLE] = ",".join(gpus[slot * each : (slot + 1) * each])


def problems_at_once(config: CellConfig) -> list[str]:
    """Return why so many cells cannot run at once on this machine."""
    runtime = config.runtime
    gpus = visible_gpus() if runtime.device is not Device.cpu else []
    wanted = runtime.parallel * runtime.gpus_per_cell
    if gpus and wanted > len(gpus):
        return [
            f"runtime.parallel={runtime.parallel} cells with runtime.gpus_per_cell="
            f"{runtime.gpus_per_cell} take {wanted} GPUs, and {len(gpus)} can be seen; lower "
            "runtime.parallel, or choose runtime.device=cpu"
        ]
    if not gpus and runtime.parallel > cores():
        return [
            f"runtime.parallel={runtime.parallel} is more than the {cores()} cores of this "
            "machine; lower it"
        ]
    return []


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Return the NVIDIA GPUs this process may use, by index or identifier; loads no torch."""
    given = os.environ.get(VISIBLE)
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    if not NVIDIA.is_dir():
        return []
    return [str(index) for index, _ in enumerate(sorted(NVIDIA.iterdir()))]


def _limit_memory(gigabytes: float) -> None:
    import resource

    limit = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
