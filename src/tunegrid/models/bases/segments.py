"""Attention within the examples of one row, without a mask over the whole row.

Owns: the kernel that flattened rows are read with. Knows nothing of how rows are laid out.

A row of several examples needs attention inside of each alone. A mask for it would have a number
for every pair of tokens of the row, most of which say no. Here each example is read by torch's own
kernel for itself (`scaled_dot_product_attention`, flash attention in 16 bit on a GPU), so that time
and memory grow with the lengths of the examples and not with that of the row. torch's kernel for
ragged rows (`torch.nn.attention.varlen`) exists on GPUs alone and is new there; flash-attn, where
it is installed, is taken instead (docs/decisions/047-compute-types.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

NAME = "tunegrid_segments"


def borders(lengths: Sequence[int]) -> torch.Tensor:
    """Return where examples begin and end in a row, as a mask of this kernel.

    Args:
        lengths: tokens of each example, in their order.

    Returns:
        Whole numbers [1, 1, 1, examples + 1]: transformers hands masks of four dimensions to the
        kernel as they are.

    """
    sums = torch.tensor([0, *lengths]).cumsum(0)
    return sums.view(1, 1, 1, -1)


def supports(model: Any) -> bool:
    """Return whether a base lets the kernel be chosen (`transformers.AttentionInterface`)."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return bool(getattr(base, "_supports_attention_backend", False))


def use(model: Any) -> str:
    """Have a base read flattened rows with this kernel; return the kernel it had.

    Args:
        model: with or without a method; `supports` it.

    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    AttentionInterface.register(NAME, attend)
    # Rows without borders (a batch to answer) are masked as for torch's own kernel.
    AttentionMaskInterface.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    before: str = model.config._attn_implementation
    model.config._attn_implementation = NAME
    return before


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attention of each example to itself.

    Args:
        module: the attention layer that calls.
        query: [1, heads, T, width].
        key: [1, heads of keys, T, width].
        value: as `key`.
        attention_mask: `borders`; anything else is left to transformers' kernel.
        dropout: of the attention weights.
        scaling: of the products; None for 1 / sqrt(width).
        options: what transformers' own kernels take besides.

    Returns:
        States [1, T, heads, width], and None for the weights, which are never made.

    """
    if attention_mask is None or attention_mask.dtype is not torch.int64:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return found
    starts = attention_mask.flatten().tolist()
    grouped = key.shape[1] != query.shape[1]
    parts = [
        scaled_dot_product_attention(
            query[:, :, start:end],
            key[:, :, start:end],
            value[:, :, start:end],
            dropout_p=dropout,
            scale=scaling,
            is_causal=True,
            enable_gqa=grouped,
        )
        for start, end in pairwise(starts)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2), None
