"""Baichuan-7B and 13B: Llama's blocks around a fused projection.

Owns: `W_pack` [3h, h], whose plain thirds are query, key and value, and 13B's linear biases. The
fused projection is kept because the study's LoRA sits on it: one A of rank r, not three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import (
    LlamaDecoderLayer,
    LlamaForCausalLM,
    LlamaMLP,
    LlamaModel,
    LlamaPreTrainedModel,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
    eager_attention_forward,
)

from tunegrid.models.architectures import alibi
from tunegrid.models.architectures.baichuan.configuration import (
    BaichuanAlibiConfig,
    BaichuanConfig,
)

_IGNORED = [r"rotary_emb\.inv_freq"]
"""Buffers that published files hold and that are computed here."""


class BaichuanAttention(nn.Module):
    """Causal attention with query, key and value from one projection."""

    def __init__(self, config: BaichuanConfig, layer_idx: int) -> None:
        super().__init__()
        size = config.hidden_size
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = size // config.num_attention_heads
        self.num_key_value_groups = 1
        self.scaling = self.head_dim**-0.5
        self.is_causal = True
        self.W_pack = nn.Linear(size, 3 * size, bias=False)
        self.o_proj = nn.Linear(size, size, bias=False)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the attention's output [B, Q, h] and, from the eager kernel, its probabilities.

        Args:
            hidden_states: [B, Q, h].
            position_embeddings: cosines and sines [B, Q, d]; None where the mask holds biases.
            attention_mask: as the kernel takes it.
            past_key_values: the cache of keys and values.
            kwargs: handed to the kernel.

        """
        shape = hidden_states.shape[:-1]
        query, key, value = (
            part.view(*shape, -1, self.head_dim).transpose(1, 2)
            for part in self.W_pack(hidden_states).chunk(3, dim=-1)
        )
        if position_embeddings is not None:
            query, key = apply_rotary_pos_emb(query, key, *position_embeddings)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        kernel: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        output, weights = kernel(
            self, query, key, value, attention_mask, dropout=0.0, scaling=self.scaling, **kwargs
        )
        return self.o_proj(output.reshape(*shape, -1)), weights


class BaichuanLayer(LlamaDecoderLayer):
    """Llama's block around Baichuan's attention."""

    def __init__(self, config: BaichuanConfig, layer_idx: int) -> None:
        # Not LlamaDecoderLayer's, which would build Llama's attention first.
        GradientCheckpointingLayer.__init__(self)
        self.hidden_size = config.hidden_size
        attention: Any = BaichuanAttention(config, layer_idx)
        self.self_attn = attention
        self.mlp = LlamaMLP(config)
        self.input_layernorm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)


class BaichuanModel(LlamaModel):
    """Baichuan-7B without its head; see `LlamaModel`."""

    config_class = BaichuanConfig
    _no_split_modules = ["BaichuanLayer"]  # noqa: RUF012 - the form transformers reads
    _can_record_outputs = {  # noqa: RUF012
        "hidden_states": BaichuanLayer,
        "attentions": BaichuanAttention,
    }

    def __init__(self, config: BaichuanConfig) -> None:
        LlamaPreTrainedModel.__init__(self, config)
        self.padding_idx = config.pad_token_id
        self.vocab_size = config.vocab_size
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, self.padding_idx)
        self.layers = nn.ModuleList(
            [BaichuanLayer(config, index) for index in range(config.num_hidden_layers)]
        )
        self.norm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        rotation: Any = self._positions(config)
        self.rotary_emb = rotation
        self.gradient_checkpointing = False
        self.post_init()

    def _positions(self, config: BaichuanConfig) -> nn.Module:
        return LlamaRotaryEmbedding(config)


class NoRotation(nn.Module):
    """Stands where Llama computes its rotation; returns None."""

    def forward(self, hidden_states: torch.Tensor, position_ids: torch.Tensor) -> None:
        """Return None: nothing is rotated."""


class BaichuanAlibiModel(BaichuanModel):
    """Baichuan-13B without its head. Reads no position ids: its biases come from the mask."""

    config_class = BaichuanAlibiConfig
    _supports_flash_attn = False
    _supports_flex_attn = False

    def _positions(self, config: BaichuanConfig) -> nn.Module:
        return NoRotation()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the last hidden states [B, Q, h], as `LlamaModel` does.

        Args:
            input_ids: [B, Q].
            attention_mask: [B, K] with 1 on real tokens, or [B, 1, T, T] for rows of several
                examples: true, or 0 and the smallest number.
            position_ids: not read.
            past_key_values: the cache of keys and values.
            inputs_embeds: [B, Q, h], instead of `input_ids`.
            kwargs: further arguments of `LlamaModel.forward`.

        """
        embeds: Any = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        mask = attention_mask
        if mask is None:
            past = past_key_values.get_seq_length() if past_key_values is not None else 0
            mask = embeds.new_ones((len(embeds), past + embeds.shape[1]), dtype=torch.long)
        visible: Any = create_causal_mask(
            self.config, embeds, mask, past_key_values, allow_is_causal_skip=False
        )
        positions = alibi.key_positions(mask.to(embeds.device))
        found = alibi.biases(self.config.num_attention_heads, positions)
        return super().forward(
            attention_mask=alibi.biased_mask(alibi.may_see(visible), found, embeds.dtype),
            past_key_values=past_key_values,
            inputs_embeds=embeds,
            **kwargs,
        )


class BaichuanForCausalLM(LlamaForCausalLM):
    """Baichuan-7B; see `LlamaForCausalLM`."""

    config_class = BaichuanConfig
    _no_split_modules = ["BaichuanLayer"]  # noqa: RUF012
    _keys_to_ignore_on_load_unexpected = _IGNORED
    _body: type[BaichuanModel] = BaichuanModel

    def __init__(self, config: BaichuanConfig) -> None:
        LlamaPreTrainedModel.__init__(self, config)
        self.model = self._body(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()


class BaichuanAlibiForCausalLM(BaichuanForCausalLM):
    """Baichuan-13B; see `LlamaForCausalLM`."""

    config_class = BaichuanAlibiConfig
    _supports_flash_attn = False
    _supports_flex_attn = False
    _body = BaichuanAlibiModel
