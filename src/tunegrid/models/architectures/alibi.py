"""Attention with linear biases: slopes, positions of keys, and one mask for all layers.

Owns: the arithmetic of ALiBi (arXiv 2108.12409) as BLOOM and Baichuan-13B use it. Knows no model.

A head adds `slope * position of the key` to its scores. Softmax ignores what is added to all keys
of a query, so that positions may be counted from anywhere: here from the first token of each
example, which keeps the numbers small, and the same however examples are padded or packed.
"""

from __future__ import annotations

import math

import torch


def slopes(heads: int) -> torch.Tensor:
    """Return the slopes [heads] of ALiBi in 32 bit.

    Where `heads` is no power of two, the slopes of the next smaller power of two come first and
    every other slope of the next larger one follows (arXiv 2108.12409, the authors' code).
    """
    below = 2 ** math.floor(math.log2(heads))
    found = [2 ** (-8 * (i + 1) / below) for i in range(below)]
    found += [2 ** (-8 * (2 * i + 1) / (2 * below)) for i in range(heads - below)]
    return torch.tensor(found, dtype=torch.float32)


def key_positions(mask: torch.Tensor) -> torch.Tensor:
    """Return the position [B, K] of each key inside its example, 0 on padding.

    Args:
        mask: [B, K], 1 on real tokens; or the causal mask of whole rows [B, 1, T, T], either
            true or 0 where a key may be seen, whose rows say how many tokens stand before each.

    """
    if mask.ndim == 2:
        return (mask.long().cumsum(-1) - 1) * mask.long()
    return (may_see(mask)[:, 0].sum(-1) - 1).clamp(min=0)


def may_see(mask: torch.Tensor) -> torch.Tensor:
    """Return where a mask of four dimensions, true or additive, lets a query see a key."""
    return mask if mask.dtype is torch.bool else mask == 0


def biased_mask(visible: torch.Tensor, positions: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the additive mask [B, heads, Q, K] that holds both the biases and what is hidden.

    Args:
        visible: [B, heads, Q, K] or broadcastable, true where a query sees a key.
        positions: [B, heads, K], slope times position, in 32 bit.
        dtype: of the result; its smallest number hides a key.

    """
    hidden = torch.finfo(dtype).min
    return torch.where(visible, positions.to(dtype)[:, :, None, :], hidden)


def biases(heads: int, positions: torch.Tensor) -> torch.Tensor:
    """Return slope times position [B, heads, K] in 32 bit, for positions [B, K]."""
    return slopes(heads).to(positions.device)[None, :, None] * positions[:, None, :]
