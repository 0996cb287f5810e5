"""Which examples each optimizer step takes, and their tensors' way to the device.

Owns: the sampler. Knows nothing of losses or layouts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from tunegrid.training.microbatches import MicroBatch
from tunegrid.training.schedule import order


class StepSampler(Sampler[list[int]]):
    """Yields the examples of each optimizer step of one epoch: the share of one process.

    Every process of a distributed run takes each `processes`-th example of a step, so the steps
    are the same however many processes there are. In a short last step a share may be empty.
    """

    def __init__(
        self, examples: int, per_step: int, seed: int, process: int = 0, processes: int = 1
    ) -> None:
        self._examples = examples
        self._per_step = per_step
        self._seed = seed
        self._process = process
        self._processes = processes
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self._examples // self._per_step)

    def __iter__(self) -> Iterator[list[int]]:
        indices = order(self._examples, self._seed, self.epoch)
        for start in range(0, self._examples, self._per_step):
            step = indices[start : start + self._per_step]
            yield step[self._process :: self._processes]


def to_device(batch: MicroBatch, device: torch.device) -> MicroBatch:
    """Return the micro-batch with its tensors on a device."""
    return dataclasses.replace(
        batch,
        inputs={name: tensor.to(device) for name, tensor in batch.inputs.items()},
        targets=batch.targets.to(device),
    )
