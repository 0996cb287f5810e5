"""BLOOM (arXiv 2211.05100) whose attention is torch's scaled dot product.

Owns: the kernel. Every module, weight and name is that of transformers' Bloom, which is the
reference: with `attn_implementation="eager"` its own code runs, unchanged but for packed rows.

Transformers 5.23 builds the biases as a tensor that its attention adds to scores in 16 bit, and
holds scores and probabilities [B, heads, Q, K] of each layer for the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.masking_utils import create_causal_mask
from transformers.models.bloom.configuration_bloom import BloomConfig
from transformers.models.bloom.modeling_bloom import (
    BloomAttention,
    BloomForCausalLM,
    BloomModel,
    BloomPreTrainedModel,
    dropout_add,
)

from tunegrid.models.architectures import alibi


class FusedBloomAttention(BloomAttention):
    """BLOOM's attention in one call, where the mask holds the biases."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        residual: torch.Tensor,
        alibi: torch.Tensor,
        attention_mask: torch.Tensor,
        layer_past: Any = None,
        use_cache: bool = False,
        output_attentions: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the attention's output with the residual added, [B, Q, hidden].

        Args:
            hidden_states: [B, Q, hidden].
            residual: as `hidden_states`.
            alibi: empty where the mask holds the biases; else transformers' own code runs.
            attention_mask: [B, heads, Q, K], added to the scaled scores.
            layer_past: the cache of keys and values.
            use_cache: not read.
            output_attentions: not read; a fused kernel has no probabilities to give.
            kwargs: not read.

        """
        if alibi.numel():
            return super().forward(  # type: ignore[no-any-return]
                hidden_states, residual, alibi, attention_mask, layer_past, use_cache,
                output_attentions,
            )  # fmt: skip
        query, key, value = self._reshape(self.query_key_value(hidden_states))
        if layer_past is not None:
            key, value = layer_past.update(key, value, self.layer_idx)
        context = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=attention_mask,
            dropout_p=self.attention_dropout.p if self.training else 0.0,
            scale=self.inv_norm_factor,
        )
        merged = context.transpose(1, 2).reshape(hidden_states.shape)
        output = dropout_add(self.dense(merged), residual, self.hidden_dropout, self.training)
        return output, None


class FusedBloomModel(BloomModel):
    """BLOOM's blocks under either kernel, with masks of two or four dimensions."""

    _supports_sdpa = True

    def __init__(self, config: BloomConfig) -> None:
        super().__init__(config)
        for block in self.h:
            # Same parameters, same hyperparameters, another forward.
            block.self_attention.__class__ = FusedBloomAttention

    def build_alibi_tensor(
        self, attention_mask: torch.Tensor, num_heads: int, dtype: torch.dtype
    ) -> torch.Tensor:
        """Return the biases [B x heads, 1, K] that transformers' own attention adds.

        Args:
            attention_mask: [B, K], or [B, 1, T, T] for rows of several examples.
            num_heads: heads.
            dtype: of the result.

        """
        if self._is_fused and attention_mask.ndim == 4:
            return attention_mask.new_empty(0)
        found = alibi.biases(num_heads, alibi.key_positions(attention_mask))
        return found.flatten(0, 1)[:, None].to(dtype)

    @property
    def _is_fused(self) -> bool:
        return self.config._attn_implementation == "sdpa"

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return transformers' output of the blocks; see `BloomModel.forward`.

        Args:
            input_ids: [B, Q].
            past_key_values: the cache of keys and values.
            attention_mask: [B, K] with 1 on real tokens, or [B, 1, T, T] for rows of several
                examples: true, or 0 and the smallest number.
            inputs_embeds: [B, Q, hidden], instead of `input_ids`.
            kwargs: further arguments of `BloomModel.forward`.

        """
        if self._is_fused:
            if inputs_embeds is None:
                inputs_embeds, input_ids = self.word_embeddings(input_ids), None
            attention_mask = self._mask(inputs_embeds, attention_mask, past_key_values)
        return super().forward(
            input_ids=input_ids,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )

    def _mask(self, embeds: Any, mask: Any, cache: Any) -> torch.Tensor:
        """Return what every layer adds to its scores, [B, heads, Q, K]."""
        if mask is None:
            past = cache.get_seq_length() if cache is not None else 0
            mask = embeds.new_ones((len(embeds), past + embeds.shape[1]), dtype=torch.long)
        visible: Any = create_causal_mask(
            self.config, embeds, mask, cache, allow_is_causal_skip=False
        )
        found = alibi.biases(self.num_heads, alibi.key_positions(mask.to(embeds.device)))
        return alibi.biased_mask(alibi.may_see(visible), found, embeds.dtype)


class FusedBloomForCausalLM(BloomForCausalLM):
    """BLOOM with a head tied to its embedding; see `BloomForCausalLM`."""

    _supports_sdpa = True

    def __init__(self, config: BloomConfig) -> None:
        # Not BloomForCausalLM's, which would build the blocks a first time.
        BloomPreTrainedModel.__init__(self, config)
        self.transformer = FusedBloomModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()
