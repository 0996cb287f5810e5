"""ChatGLM2-6B: GLM's arithmetic with fused projections under the names of its files.

Owns: `query_key_value`, whose rows are all queries, then the groups' keys, then their values, and
`dense_h_to_4h`, whose first half is the gate. The rotation, in neighbouring pairs of the first half
of a head, and the norm are transformers' Glm's.

In half precision the original computes the angles of its rotation in half, off by up to 0.2 below
position 512. Here they are computed in 32 bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.cache_utils import DynamicCache
from transformers.generation import GenerationMixin
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import (
    ALL_ATTENTION_FUNCTIONS,
    PreTrainedModel,
    slice_logits_to_keep,
)
from transformers.models.glm.modeling_glm import (
    GlmRMSNorm,
    GlmRotaryEmbedding,
    apply_rotary_pos_emb,
    eager_attention_forward,
)

from tunegrid.models.architectures.chatglm2.configuration import ChatGLM2Config


class SelfAttention(nn.Module):
    """Causal attention whose heads share the keys and values of their group."""

    def __init__(self, config: ChatGLM2Config, layer: int) -> None:
        super().__init__()
        self.config = config
        self.layer = layer
        self.head_dim: int = config.head_dim or config.hidden_size // config.num_attention_heads
        groups: int = config.num_key_value_heads or config.num_attention_heads
        self.num_key_value_groups = config.num_attention_heads // groups
        self.scaling = self.head_dim**-0.5
        self.is_causal = True
        width = config.num_attention_heads * self.head_dim
        self.sizes = [width, groups * self.head_dim, groups * self.head_dim]
        self.query_key_value = nn.Linear(
            config.hidden_size, sum(self.sizes), bias=config.attention_bias
        )
        self.dense = nn.Linear(width, config.hidden_size, bias=False)

    def forward(
        self, states: torch.Tensor, turn: Any, mask: torch.Tensor | None, cache: Any
    ) -> torch.Tensor:
        """Return the attention's output [B, Q, h] for states [B, Q, h]."""
        shape = states.shape[:-1]
        query, key, value = (
            part.view(*shape, -1, self.head_dim).transpose(1, 2)
            for part in self.query_key_value(states).split(self.sizes, dim=-1)
        )
        query, key = apply_rotary_pos_emb(query, key, *turn)
        if cache is not None:
            key, value = cache.update(key, value, self.layer)
        kernel: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        dropout = (self.config.attention_dropout or 0.0) if self.training else 0.0
        output, _ = kernel(self, query, key, value, mask, dropout=dropout, scaling=self.scaling)
        return self.dense(output.reshape(*shape, -1))


class FeedForward(nn.Module):
    """SwiGLU with gate and up projection in one matrix."""

    def __init__(self, config: ChatGLM2Config) -> None:
        super().__init__()
        inner = config.intermediate_size
        self.dense_h_to_4h = nn.Linear(config.hidden_size, 2 * inner, bias=False)
        self.dense_4h_to_h = nn.Linear(inner, config.hidden_size, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return [B, Q, h] for [B, Q, h]."""
        gate, up = self.dense_h_to_4h(states).chunk(2, dim=-1)
        return self.dense_4h_to_h(functional.silu(gate) * up)


class ChatGLM2Block(GradientCheckpointingLayer):
    """A block: norm, attention, norm, feed-forward, each with its residual."""

    def __init__(self, config: ChatGLM2Config, layer: int) -> None:
        super().__init__()
        self.input_layernorm = GlmRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attention = SelfAttention(config, layer)
        self.post_attention_layernorm = GlmRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = FeedForward(config)

    def forward(
        self, states: torch.Tensor, turn: Any, mask: Any, past_key_values: Any = None
    ) -> torch.Tensor:
        """Return [B, Q, h] for [B, Q, h]."""
        attended = self.self_attention(self.input_layernorm(states), turn, mask, past_key_values)
        states = states + attended
        return states + self.mlp(self.post_attention_layernorm(states))


class ChatGLM2PreTrainedModel(PreTrainedModel):
    """What transformers must know of both classes below."""

    config_class = ChatGLM2Config
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules = ["ChatGLM2Block"]  # noqa: RUF012 - the form transformers reads
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _keys_to_ignore_on_load_unexpected = [r"rotary_pos_emb\.inv_freq"]  # noqa: RUF012


class ChatGLM2Model(ChatGLM2PreTrainedModel):
    """ChatGLM2 with its head, which its files name inside the body."""

    def __init__(self, config: ChatGLM2Config) -> None:
        super().__init__(config)
        self.embedding = nn.ModuleDict(
            {"word_embeddings": nn.Embedding(config.vocab_size, config.hidden_size)}
        )
        self.rotary_pos_emb = GlmRotaryEmbedding(config)
        blocks = [ChatGLM2Block(config, layer) for layer in range(config.num_hidden_layers)]
        self.encoder = nn.ModuleDict(
            {
                "layers": nn.ModuleList(blocks),
                "final_layernorm": GlmRMSNorm(config.hidden_size, config.rms_norm_eps),
            }
        )
        self.output_layer = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding."""
        return self.embedding["word_embeddings"]

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the embedding."""
        self.embedding["word_embeddings"] = value

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
    ) -> BaseModelOutputWithPast:
        """Return the last hidden states [B, Q, h].

        Args:
            input_ids: [B, Q].
            attention_mask: [B, K] with 1 on real tokens, or a mask of four dimensions.
            position_ids: [B, Q]; where they begin anew and there is no mask, so does an example.
            past_key_values: the cache of keys and values.
            inputs_embeds: [B, Q, h], instead of `input_ids`.
            use_cache: whether to make a cache where none is given.

        """
        states: Any = (
            self.get_input_embeddings()(input_ids) if inputs_embeds is None else inputs_embeds
        )
        use_cache = self.config.use_cache if use_cache is None else use_cache
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            past = past_key_values.get_seq_length() if past_key_values is not None else 0
            position_ids = torch.arange(past, past + states.shape[1], device=states.device)[None]
        mask = create_causal_mask(
            self.config, states, attention_mask, past_key_values, position_ids
        )
        turn = self.rotary_pos_emb(states, position_ids)
        blocks: Any = self.encoder["layers"]
        for block in blocks:
            states = block(states, turn, mask, past_key_values=past_key_values)
        return BaseModelOutputWithPast(
            last_hidden_state=self.encoder["final_layernorm"](states),
            past_key_values=past_key_values,
        )


class ChatGLM2ForCausalLM(ChatGLM2PreTrainedModel, GenerationMixin):
    """ChatGLM2 as a causal language model."""

    def __init__(self, config: ChatGLM2Config) -> None:
        super().__init__(config)
        self.transformer = ChatGLM2Model(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """Return the head."""
        return self.transformer.output_layer

    def set_output_embeddings(self, value: Any) -> None:
        """Replace the head."""
        self.transformer.output_layer = value

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Return logits [B, Q, V] and, with labels, their loss; see `ChatGLM2Model.forward`.

        Args:
            input_ids: [B, Q].
            attention_mask: [B, K].
            position_ids: [B, Q].
            past_key_values: the cache of keys and values.
            inputs_embeds: [B, Q, h], instead of `input_ids`.
            labels: [B, Q], not shifted, -100 where nothing is trained.
            use_cache: whether to make a cache where none is given.
            logits_to_keep: of how many last positions; 0 for all.
            kwargs: for the loss.

        """
        read = self.transformer(
            input_ids, attention_mask, position_ids, past_key_values, inputs_embeds, use_cache
        )
        kept = slice_logits_to_keep(read.last_hidden_state, logits_to_keep)
        logits = self.transformer.output_layer(kept)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=read.past_key_values
        )
