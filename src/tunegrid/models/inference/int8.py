"""8-bit bases evaluated so that an answer does not depend on the others in its batch.

Owns: the forward pass of 8-bit layers while a model answers. Knows nothing of generation.

LLM.int8 computes in 16 bit the columns in which any activation of the batch exceeds its threshold
(arXiv 2208.07339, section 3.2), so that a row's logits move with its neighbours (2.5 % measured
with outliers), and quantizes the others row by row. A threshold of 0 would be independent of the
batch, but would quantize the outliers too, which is what that paper shows to ruin large models.
Here the stored 8-bit weights are turned back and multiplied with unquantized activations: what
bitsandbytes computes in training on a CPU. No activation is rounded, at the price of one pass over
the weights for each step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextlib.contextmanager
def dequantized(model: Any) -> Iterator[None]:
    """Multiply with dequantized weights in every 8-bit layer of the model while the block runs."""
    layers = int8_layers(model)
    for layer in layers:
        layer.forward = _forward_of(layer)
    try:
        yield
    finally:
        for layer in layers:
            # What the instance was given; the class's own method is behind it again.
            del layer.forward


def int8_layers(model: Any) -> list[Any]:
    """Return the 8-bit layers of a model; needs bitsandbytes only where it was loaded."""
    import sys

    if "bitsandbytes" not in sys.modules:
        return []
    from bitsandbytes.nn import Linear8bitLt

    return [module for module in model.modules() if isinstance(module, Linear8bitLt)]


def weight(layer: Any, dtype: torch.dtype) -> torch.Tensor:
    """Return the weights of an 8-bit layer, [out, in]: codes times the row's largest value / 127.

    bitsandbytes moves codes and scales from the parameter into the layer's state at its first
    forward pass.
    """
    state = layer.state if layer.state.CB is not None else layer.weight
    codes, scales = state.CB, state.SCB
    return (codes.float() * (scales.float() / 127.0).view(-1, 1)).to(dtype)


def _forward_of(layer: Any) -> Any:
    from torch.nn.functional import linear

    def forward(x: torch.Tensor) -> torch.Tensor:
        bias = layer.bias
        return linear(x, weight(layer, x.dtype), None if bias is None else bias.to(x.dtype))

    return forward
