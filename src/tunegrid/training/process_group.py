"""The processes that train one cell together: which of them this one is, and their group.

Owns: this process' place among them, the group that exists while they train, and what they agree
on. Knows nothing of models, and nothing of how the processes were started
(`tunegrid.launch.distributed.cell`). Imports torch only when called.

The place belongs to the process, as torch's own group does; a process without one trains alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, StageError

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others before it gives up."""
_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Place:
    """One process among those of a cell."""

    rank: int
    """From 0, which is the main process: it alone writes, and answers afterwards."""
    local_rank: int
    """Its number on its machine, which is that of its GPU."""
    world_size: int
    rendezvous: str
    """Where the processes find each other, as an address of `torch.distributed.rendezvous`."""
    source: str = "tunegrid"
    """Who started the processes: `tunegrid`, `torchrun` or `srun`."""
    divides_weights: bool = False
    """Whether each process holds a part of the weights (fsdp) instead of all of them (ddp)."""


_place: Place | None = None


def is_main_process() -> bool:
    """Return whether this process is the one that writes; True when it is alone."""
    return _place is None or _place.rank == 0


def divide_weights() -> bool:
    """Return whether each process holds a part of the weights only."""
    return _place is not None and _place.divides_weights


def world_size() -> int:
    """Return how many processes train together; 1 when this one is alone."""
    return 1 if _place is None else _place.world_size


@contextlib.contextmanager
def at(place: Place) -> Iterator[None]:
    """Take a place for as long as the block lasts.

    The variables of whoever started the process are taken away: what the first process does
    alone, outside of `joined`, must not look as if it were done by all of them.
    """
    global _place
    before = {name: os.environ.pop(name, None) for name in _VARIABLES[:-1]}
    if place.rank > 0:
        # Read where the base is put on a device; the first process has the first one anyway.
        os.environ["LOCAL_RANK"] = str(_device_index(place))
    _place = place
    try:
        yield
    finally:
        _place = None
        _set_environment(before)


@contextlib.contextmanager
def joined(name: str, *, on_cuda: bool) -> Iterator[None]:
    """Form a group with the other processes of the cell; does nothing for a process alone.

    A block that ends with an error leaves the group as it is: the process is about to end, and
    taking leave of processes that may be dead can take forever.

    Args:
        name: the same in all processes, and of no earlier group at the same rendezvous.
        on_cuda: whether tensors are exchanged on GPUs (nccl) or on CPUs (gloo).

    Raises:
        StageError: the others did not come in time.

    """
    if _place is None:
        yield
        return
    import torch
    from accelerate.state import AcceleratorState

    threads = torch.get_num_threads()
    before = {variable: os.environ.get(variable) for variable in _VARIABLES}
    _set_environment(_described(_place, on_cuda))
    if _place.source == "tunegrid":
        # Whoever else starts the processes gives each of them its cores.
        torch.set_num_threads(max(1, threads // _place.world_size))
    try:
        _meet(_place, name, on_cuda)
        yield
        barrier()
        torch.distributed.destroy_process_group()
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
        _set_environment(before)
        torch.set_num_threads(threads)


def barrier() -> None:
    """Wait until all processes are here."""
    if _place is not None:
        gathered(None)


def gathered(value: Any) -> list[Any]:
    """Return the values of all processes in the order of their ranks, in every process."""
    if _place is None:
        return [value]
    from torch import distributed

    values: list[Any] = [None] * _place.world_size
    distributed.all_gather_object(values, value)
    return values


def refuse_differences(facts: dict[str, Any], directory: Path) -> None:
    """Raise when the processes do not see the same; they would wait for each other for ever.

    Args:
        facts: by name, what must be equal in all processes.
        directory: where they found it.

    Raises:
        StageError: something differs.

    """
    everyone = gathered(facts)
    for name in facts:
        values = [one[name] for one in everyone]
        if any(value != values[0] for value in values):
            raise StageError(
                f"the {world_size()} processes of the cell do not see the same {name} "
                f"({', '.join(str(value) for value in values)}) in {directory}: runtime.results "
                "and the data must lie on a file system that all machines share; put them there, "
                "or use one machine"
            )


def _meet(place: Place, name: str, on_cuda: bool) -> None:
    import torch
    from torch import distributed

    if on_cuda:
        torch.cuda.set_device(_device_index(place))
    try:
        store, _, _ = next(
            distributed.rendezvous(place.rendezvous, place.rank, place.world_size, timeout=PATIENCE)
        )
        distributed.init_process_group(
            "nccl" if on_cuda else "gloo",
            # One torchrun may train several cells in a row, whose groups share its store.
            store=distributed.PrefixStore(name, store),
            rank=place.rank,
            world_size=place.world_size,
            timeout=PATIENCE,
        )
    except distributed.DistError as error:
        raise StageError(
            f"process {place.rank} of {place.world_size} did not find the others at "
            f"{place.rendezvous} ({error}); see what they say, and run the same command again"
        ) from error


def _described(place: Place, on_cuda: bool) -> dict[str, str | None]:
    """Return the variables by which accelerate recognizes a process among several."""
    return {
        "RANK": str(place.rank),
        "LOCAL_RANK": str(_device_index(place) if on_cuda else place.local_rank),
        "WORLD_SIZE": str(place.world_size),
        # accelerate divides the cores by it, which is done here, and asks for an address if it
        # is smaller than the world, which has met by then.
        "LOCAL_WORLD_SIZE": str(place.world_size),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def _device_index(place: Place) -> int:
    """Return the number of the process' GPU among those it sees.

    Raises:
        ConfigError: there are fewer GPUs than processes.

    """
    import torch

    seen = torch.cuda.device_count()
    if seen in (0, 1) and (seen == 0 or place.source == "srun"):
        # No GPU, or a job step that shows each task its own GPU only.
        return place.local_rank if seen == 0 else 0
    if place.local_rank >= seen:
        raise ConfigError(
            f"runtime.gpus_per_cell is {place.world_size}, but process {place.rank} sees {seen} "
            f"GPUs; give at most {seen}, or ask the scheduler for more"
        )
    return place.local_rank


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
