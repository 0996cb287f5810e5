"""The type a model computes in: what is held in it, what is not, and the context that computes.

Owns: mixed precision (arXiv 1710.03740) for training, validation and answering alike. Knows nothing
of optimizers, methods or batches. docs/gpu.md has the table of types that the tests hold.

Frozen weights are held in the type of the computation, trained ones in 32 bit: a step of 2e-5 is
below half the distance between two numbers of bf16 near 0.01, and would be lost. `computing` casts
both to the type of the computation wherever they are multiplied. The stream between the layers, the
cache of keys and the logits of the head stay in that type on every device: autocast alone would
turn the stream of a base with LayerNorm to 32 bit on CUDA and not on a CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch


@dataclass
class _Compute:
    """The type of one base, which its hooks look up: a base that is merged changes it."""

    dtype: torch.dtype


class UncastLayerNorm(torch.nn.LayerNorm):
    """A LayerNorm that takes and gives one type, under autocast too.

    Autocast on CUDA runs it in 32 bit, which keeps a copy of twice the size for the backward pass.
    The kernel for 16 bit sums in 32 bit as well.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalized states, of the type of `x`."""
        with torch.autocast(x.device.type, enabled=False):
            if self.weight is None or self.weight.dtype is x.dtype:
                return super().forward(x)
            return super().forward(x.to(self.weight.dtype)).to(x.dtype)


def prepare(model: Any, dtype: torch.dtype) -> None:
    """Have a base compute in a type; its weights have to be held in it already.

    Copies that a method makes of a norm compute like the original.

    Args:
        model: a causal language model of transformers, before a method is attached.
        dtype: float32, bfloat16 or float16.

    """
    model.tunegrid_compute = held = _Compute(dtype)
    if dtype is torch.float32:
        return
    model.get_input_embeddings().register_forward_hook(_in_type_of(held))
    for module in model.modules():
        if type(module) is torch.nn.LayerNorm:
            module.__class__ = UncastLayerNorm
        if type(module).__name__.endswith("Norm"):
            module.register_forward_hook(_in_type_of(held))


def compute_dtype(model: Any) -> torch.dtype:
    """Return the type a model computes in; of one that was not prepared, that of its weights."""
    held = getattr(model, "tunegrid_compute", None)
    found: torch.dtype = model.dtype if held is None else held.dtype
    return found


def convert(model: Any, dtype: torch.dtype) -> Any:
    """Return the model with all its weights in a type, which it computes in from now on.

    Args:
        model: plain weights, no method attached.
        dtype: float32, bfloat16 or float16.

    """
    held = getattr(model, "tunegrid_compute", None)
    if held is not None:
        held.dtype = dtype
    return model.to(dtype)


def hold_trained_in_32_bit(model: Any) -> None:
    """Turn the trainable weights of a model to 32 bit, in place; the others stay as they are.

    Layers of a method read and give the type of the computation all the same: peft's own would
    turn what they read to 32 bit, and some give it on.

    Args:
        model: with its method attached, also on the meta device.

    """
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype.itemsize == 2:
            parameter.data = parameter.data.float()
    held = getattr(model, "tunegrid_compute", None)
    if held is None or held.dtype is torch.float32:
        return
    for module in model.modules():
        if hasattr(module, "_cast_input_dtype"):
            module.cast_input_dtype_enabled = False
            module.register_forward_hook(_in_type_of(held))


@contextlib.contextmanager
def computing(model: Any) -> Iterator[None]:
    """Compute in the model's type while the block runs; does nothing for one of 32 bit.

    Args:
        model: the model itself, not a distributed wrapper around it.

    """
    dtype = compute_dtype(model)
    if dtype is torch.float32:
        yield
        return
    device = next(model.parameters()).device.type
    with torch.autocast("cpu" if device == "meta" else device, dtype=dtype):
        yield


def _in_type_of(held: _Compute) -> Any:
    def cast(module: Any, arguments: Any, output: Any) -> Any:
        is_states = isinstance(output, torch.Tensor) and output.is_floating_point()
        return output.to(held.dtype) if is_states else output

    return cast
