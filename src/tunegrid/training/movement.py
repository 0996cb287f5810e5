"""Which share of the trained weights a run has changed.

Owns: a sample of the weights before the first step, and the comparison with it. A weight that never
changes has a step below half the distance to its neighbour in its type, or gets no gradient: the
loss may fall all the same, because others move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

SAMPLE = 1024
"""Weights of each tensor that are compared, evenly spaced."""


@dataclass(frozen=True)
class WeightSample:
    """Some of the trainable weights of a model, by the name of their tensor."""

    values: dict[str, torch.Tensor]

    def changed_share(self, model: Any) -> float | None:
        """Return which share of the sampled weights differs by now; None of no weights.

        Each tensor counts by its size. Embeddings are left out: a word that no example contains
        is not meant to move.

        Args:
            model: the one the sample was taken from, trained since; on whatever device.

        """
        changed = total = 0.0
        for name, parameter in _compared(model).items():
            before = self.values[name]
            moved = (_sampled(parameter) != before).float().mean()
            changed += float(moved) * parameter.numel()
            total += parameter.numel()
        return changed / total if total else None


def sample(model: Any) -> WeightSample:
    """Return some of the trainable weights of a model, as they are now."""
    return WeightSample({name: _sampled(p) for name, p in _compared(model).items()})


def _compared(model: Any) -> dict[str, torch.nn.Parameter]:
    tables = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, torch.nn.Embedding)
        for parameter in module.parameters(recurse=False)
        if module.num_embeddings == model.config.get_text_config().vocab_size
    }
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and id(parameter) not in tables and parameter.numel()
    }


def _sampled(parameter: torch.Tensor) -> torch.Tensor:
    flat = parameter.detach().flatten()
    return flat[:: max(1, -(-flat.numel() // SAMPLE))].cpu().clone()
