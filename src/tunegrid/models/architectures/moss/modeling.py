"""MOSS-moon-003: transformers' CodeGen with torch's fused attention.

Owns: the kernel. `qkv_proj` has four blocks of [query | value | key], the first `rotary_dim`
numbers of a head turn in neighbouring pairs, attention and feed-forward stand side by side: all as
in CodeGen, whose code runs, and whose attention is the reference under `eager`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.models.codegen.modeling_codegen import (
    CodeGenAttention,
    CodeGenForCausalLM,
    CodeGenModel,
    CodeGenPreTrainedModel,
)

from tunegrid.models.architectures.moss.configuration import MossConfig


class MossAttention(CodeGenAttention):
    """CodeGen's attention, in one call where the config says `sdpa`."""

    config: MossConfig

    def _attn(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the heads' outputs [B, heads, Q, d] and, from the eager code, probabilities.

        Args:
            query: [B, heads, Q, d], in 32 bit where the rotation made it so.
            key: [B, heads, K, d].
            value: [B, heads, K, d].
            attention_mask: true where a key may be seen; None for causal, or one query for all.

        """
        if self.config._attn_implementation != "sdpa":
            return super()._attn(query, key, value, attention_mask)  # type: ignore[no-any-return]
        output = functional.scaled_dot_product_attention(
            query.to(value.dtype),
            key.to(value.dtype),
            value,
            attn_mask=attention_mask,
            dropout_p=self.attn_dropout.p if self.training else 0.0,
            is_causal=attention_mask is None and query.shape[2] > 1,
            scale=1 / self.scale_attn,
        )
        return output, None


class MossModel(CodeGenModel):
    """MOSS without its head; see `CodeGenModel`."""

    config_class = MossConfig
    _supports_sdpa = True

    def __init__(self, config: MossConfig) -> None:
        super().__init__(config)
        blocks: Any = self.h
        for block in blocks:
            # Same parameters, same hyperparameters, another kernel.
            block.attn.__class__ = MossAttention
            block.attn.config = config


class MossForCausalLM(CodeGenForCausalLM):
    """MOSS with its head, which has a bias; see `CodeGenForCausalLM`."""

    config_class = MossConfig
    _supports_sdpa = True
    # A table of true and false that published files hold for each layer.
    _keys_to_ignore_on_load_unexpected = [r"attn\.causal_mask"]  # noqa: RUF012

    def __init__(self, config: MossConfig) -> None:
        # Not CodeGenForCausalLM's, which would build the blocks a first time.
        CodeGenPreTrainedModel.__init__(self, config)
        self.transformer = MossModel(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size)
        self.post_init()
