"""Which architectures can read several examples in one row, and how they learn the borders.

Owns: the list of architectures this was verified for. Knows nothing of examples.

A row of several examples is only right when no token sees another example. Llama-like bases read
the borders from position ids; those with linear biases ignore position ids and need a mask. An
architecture that is not listed is not flattened, because a leak raises no error and only changes
the numbers.
"""

from __future__ import annotations

import types
from typing import Any

BY_POSITIONS = (
    "baichuan",
    "chatglm",
    "chatglm2",
    "codegen",
    "glm",
    "internlm",
    "llama",
    "moss",
    "qwen3",
)
BY_MASK = ("baichuan_alibi", "bloom")


def can_flatten(model_type: str) -> bool:
    """Return whether rows of several examples were verified for an architecture."""
    return model_type in BY_POSITIONS or model_type in BY_MASK


def allow_block_masks(model: Any) -> None:
    """Make transformers' Bloom accept a mask of four dimensions, on this instance alone.

    The architectures of this project accept one as they are. Bloom's position bias is computed
    from a mask of two dimensions. It grows evenly with the position and softmax ignores what is
    added to all keys, so inside a block only distances matter and the bias of an all-ones mask is
    right for every block (arXiv 2108.12409).

    Args:
        model: a Bloom model, also under a peft model.

    """
    import torch
    from transformers.models.bloom.modeling_bloom import BloomModel, build_alibi_tensor

    base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
    if type(getattr(base, "transformer", None)) is not BloomModel:
        return

    def build(self: Any, mask: torch.Tensor, num_heads: int, dtype: torch.dtype) -> torch.Tensor:
        if mask.ndim == 4:
            mask = mask.new_ones((mask.shape[0], mask.shape[-1]), dtype=torch.long)
        return build_alibi_tensor(mask, num_heads, dtype)

    base.transformer.build_alibi_tensor = types.MethodType(build, base.transformer)
