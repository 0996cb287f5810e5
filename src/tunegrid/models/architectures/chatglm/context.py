"""What ChatGLM-6B reads in both directions, where its tokens stand, and what they see.

Owns: the context, positions and masks of a batch, from ids alone. Knows no layer.

An example is `context [gMASK] <sop> answer`. All before <sop>, [gMASK] included, is context: it is
visible to every token of its example; from <sop> on attention is causal. Positions have two rows.
The first is 0, 1, 2 .. in the context and stays at the index of [gMASK] (of [MASK] where there is
none) from <sop> on; the second is 0 in the context and 1, 2, 3 .. from <sop> on
(arXiv 2103.10360, section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache

from tunegrid.config.errors import DataError


@dataclass(frozen=True)
class Tokens:
    """The special ids that make the border."""

    gmask: int
    mask: int
    bos: int


@dataclass(frozen=True)
class Reading:
    """How a batch of B rows of T tokens is read."""

    positions: torch.Tensor
    """[B, 2, T]."""
    visible: torch.Tensor
    """[B, 1, T, T], true where a query sees a key."""
    mask_at: torch.Tensor
    """[B], the index of [gMASK] or [MASK] in the first example of each row."""
    bos_at: torch.Tensor
    """[B], the index of <sop> in the first example of each row."""


def read(
    ids: torch.Tensor, tokens: Tokens, real: torch.Tensor | None, index: torch.Tensor | None
) -> Reading:
    """Return how ids are read.

    Args:
        ids: [B, T].
        tokens: the special ids.
        real: [B, T], 1 on real tokens, for one padded example a row; None where all are real.
        index: [B, T], the index of each token in its example. Read where `real` is None: it
            begins anew with each of several examples in a row.

    Raises:
        DataError: an example without <sop>, or without [gMASK] and [MASK].

    """
    rows, width = ids.shape
    if real is not None:
        real = real.bool()
        index = (real.long().cumsum(-1) - 1).clamp(min=0)
        example = torch.zeros_like(ids)
    else:
        real = torch.ones_like(ids, dtype=torch.bool)
        if index is None:
            index = torch.arange(width, device=ids.device)
        index = index.expand(rows, -1)
        example = (index == 0).long().cumsum(-1) - 1
    bos_at = _first(ids == tokens.bos, real, index, example)
    gmask_at = _first(ids == tokens.gmask, real, index, example)
    mask_at = _first(ids == tokens.mask, real, index, example)
    mask_at = torch.where(gmask_at < width, gmask_at, mask_at)
    own_bos, own_mask = bos_at.gather(1, example), mask_at.gather(1, example)
    _refuse_borderless(ids, tokens, real & ((own_bos == width) | (own_mask == width)))
    behind = index >= own_bos
    first = torch.where(behind, own_mask, index)
    second = torch.where(behind, index - own_bos + 1, 0)
    positions = torch.stack([first, second], 1).masked_fill(~real[:, None], 0)
    at = torch.arange(width, device=ids.device)
    visible = (~behind)[:, None, :] | (at[None, None, :] <= at[None, :, None])
    visible = visible & (example[:, None, :] == example[:, :, None]) & real[:, None, :]
    return Reading(positions, visible[:, None], mask_at[:, 0], bos_at[:, 0])


def _first(
    found: torch.Tensor, real: torch.Tensor, index: torch.Tensor, example: torch.Tensor
) -> torch.Tensor:
    """Return the smallest index [B, T] by example at which something is found, or T."""
    width = found.shape[1]
    at = torch.where(found & real, index, width)
    return torch.full_like(at, width).scatter_reduce(1, example, at, "amin")


def _refuse_borderless(ids: torch.Tensor, tokens: Tokens, borderless: torch.Tensor) -> None:
    if bool(borderless.any()):
        row = int(borderless.any(-1).nonzero()[0, 0])
        raise DataError(
            f"ChatGLM-6B reads an example as context, [gMASK] ({tokens.gmask}) or [MASK] "
            f"({tokens.mask}), <sop> ({tokens.bos}), answer; row {row} of a batch has the ids "
            f"{ids[row, :12].tolist()}.. without these; encode texts with its own tokenizer"
        )


def visible_from_cache(
    queries: int, keys: int, mask: torch.Tensor | None, device: torch.device
) -> torch.Tensor:
    """Return what the last of some tokens see, [1 or B, 1, Q, K], all of them behind <sop>.

    Args:
        queries: Q.
        keys: K, those of the cache and the new ones.
        mask: [B, K], 1 on real tokens; None where all are.
        device: of the result.

    """
    at = torch.arange(keys, device=device)
    causal = (at[None, :] <= at[keys - queries :, None])[None, None]
    return causal if mask is None else causal & mask.bool()[:, None, None, :]


class ContextCache(DynamicCache):
    """Keys and values, with where the context of each row ended."""

    def __init__(self, mask_at: torch.Tensor, bos_at: torch.Tensor, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_at = mask_at
        self.bos_at = bos_at

    def positions(self, index: torch.Tensor) -> torch.Tensor:
        """Return both rows of positions [B, 2, Q] of tokens behind <sop>.

        Args:
            index: [B, Q], the index of each token in its example.

        """
        first = self.mask_at[:, None].expand_as(index)
        return torch.stack([first, index - self.bos_at[:, None] + 1], 1)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each row."""
        super().batch_repeat_interleave(repeats)
        self.mask_at = self.mask_at.repeat_interleave(repeats, 0)
        self.bos_at = self.bos_at.repeat_interleave(repeats, 0)

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep some rows."""
        super().batch_select_indices(indices)
        self.mask_at, self.bos_at = self.mask_at[indices], self.bos_at[indices]

    def reorder_cache(self, beam_idx: Any) -> None:
        """Put rows into another order."""
        super().reorder_cache(beam_idx)
        self.mask_at, self.bos_at = self.mask_at[beam_idx], self.bos_at[beam_idx]
