"""8- and 4-bit layers that compute the same on every device, in training and in answers.

Owns: the forward and backward pass of packed layers. Knows nothing of methods or generation.

LLM.int8 on CUDA rounds activations to 8 bit, but those columns in which any activation of the batch
exceeds a threshold (arXiv 2208.07339, section 3.2): a row's logits move with its neighbours (2.5 %
measured with outliers), and a CPU computes something else. Here the stored 8-bit weights are turned
back and multiplied with unrounded activations, which is what bitsandbytes does in training on a
CPU. A layer keeps nothing for the backward pass, where bitsandbytes' own keeps what it was given.

4-bit layers multiply as bitsandbytes does, but for their bias: it is left in its own type, where
bitsandbytes rounds a trained one to that of the computation, in place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional


class _Multiplied(torch.autograd.Function):
    """`x W^T + b` with the dequantized weights W [out, in] of a layer, which take no gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, bias: torch.Tensor | None, layer: Any) -> torch.Tensor:
        ctx.layer = layer
        return functional.linear(x, unpacked(layer, x.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
        gradient = gradients[0]
        of_x = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = gradient @ unpacked(ctx.layer, gradient.dtype)
        if ctx.needs_input_grad[1]:
            of_bias = gradient.flatten(0, -2).sum(0)
        return of_x, of_bias, None


def make_even(model: Any) -> None:
    """Have every packed layer of a base compute the same everywhere, and in the base's type."""
    for layer in layers(model):
        layer.__class__ = _own_class(type(layer))


def layers(model: Any) -> list[Any]:
    """Return the packed layers of a model; needs bitsandbytes only where it was loaded."""
    if "bitsandbytes" not in sys.modules:
        return []
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    return [one for one in model.modules() if isinstance(one, Linear8bitLt | Linear4bit)]


def layers_of_8_bit(model: Any) -> list[Any]:
    """Return the 8-bit layers of a model."""
    return [one for one in layers(model) if _is_8_bit(type(one))]


def _is_8_bit(kind: type) -> bool:
    from bitsandbytes.nn import Linear8bitLt

    return issubclass(kind, Linear8bitLt)


def unpacked(layer: Any, dtype: torch.dtype) -> torch.Tensor:
    """Return the weights [out, in] of a packed layer, rounded once.

    Args:
        layer: of 8 bit: codes times the row's largest value / 127 (codes and scales move from the
            parameter into the layer's state at the first forward pass of bitsandbytes' own); or of
            4 bit.
        dtype: of the result.

    """
    from bitsandbytes.functional import dequantize_4bit

    if not _is_8_bit(type(layer)):
        return dequantize_4bit(layer.weight, layer.weight.quant_state).to(dtype)
    state: Any = layer.state if layer.state.CB is not None else layer.weight
    codes, scales = state.CB, state.SCB
    found = torch.empty(codes.shape, dtype=dtype, device=codes.device)
    # In 32 bit inside of the kernel, of which no copy is written.
    return torch.mul(codes, (scales.float() / 127.0).view(-1, 1), out=found)


_CLASSES: dict[type, type] = {}


def _own_class(kind: type) -> type:
    """Return a class of layers that is still bitsandbytes' own to whoever asks."""
    if kind not in _CLASSES:
        multiply = _multiply_8_bit if _is_8_bit(kind) else _multiply_4_bit
        _CLASSES[kind] = type(kind.__name__, (kind,), {"forward": _forward(multiply)})
    return _CLASSES[kind]


def _forward(multiply: Callable[..., torch.Tensor]) -> Any:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        given = x.dtype
        if torch.is_autocast_enabled(x.device.type):
            given = torch.get_autocast_dtype(x.device.type)
        x = x.to(given)
        bias = None if self.bias is None else self.bias.to(given)
        held = getattr(self, "held", None)
        with torch.autocast(x.device.type, enabled=False):
            if held is not None:
                return functional.linear(x, held, bias)
            return multiply(self, x, bias)

    return forward


def _multiply_8_bit(layer: Any, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    found: torch.Tensor = _Multiplied.apply(x, bias, layer)
    return found


def _multiply_4_bit(layer: Any, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    from bitsandbytes import matmul_4bit
    from bitsandbytes.nn.modules import fix_4bit_weight_quant_state_from_module

    fix_4bit_weight_quant_state_from_module(layer)
    found: torch.Tensor = matmul_4bit(
        x, layer.weight, bias=bias, quant_state=layer.weight.quant_state
    )
    return found
