"""How many parameters a model has, and what its linear modules are called.

Owns: counting. Imports torch only when called, and changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Counts:
    """Parameters of a model, with whatever a method has added to it."""

    trainable: int
    total: int


def count(model: Any) -> Counts:
    """Return the trainable and all parameters of a model.

    A parameter shared by two modules (a head tied to the embedding) counts once. A 4-bit weight,
    which is held as packed bytes, counts with its number of elements.
    """
    trainable = total = 0
    for parameter in model.parameters():
        elements = _elements(parameter)
        total += elements
        trainable += elements if parameter.requires_grad else 0
    return Counts(trainable=trainable, total=total)


def _elements(parameter: Any) -> int:
    state = getattr(parameter, "quant_state", None)
    if state is not None and getattr(state, "shape", None) is not None:
        return math.prod(state.shape)
    return parameter.numel()


def linear_modules(model: Any) -> list[str]:
    """Return the last parts of the names of the linear modules, sorted, the head left out.

    Includes bitsandbytes' linear modules, which are subclasses of torch's, and the transposed
    ones of GPT-2.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    names = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    }
    return sorted(names)
