"""The blocks of ChatGLM-6B v1.1, under the names of its files.

Owns: attention, feed-forward and residuals. Reads positions and masks as they are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import eager_attention_forward, rotate_half

from tunegrid.models.architectures.chatglm.configuration import ChatGLMConfig

Turn = tuple[torch.Tensor, torch.Tensor]


def turns(positions: torch.Tensor, head_dim: int, dtype: torch.dtype) -> Turn:
    """Return cosines and sines [B, 1, T, d] of both rows of positions, a half of a head each.

    The frequencies are rounded to 16 bit, as in the original, and the angles computed in 32.

    Args:
        positions: [B, 2, T].
        head_dim: d.
        dtype: of the result.

    """
    half = head_dim // 2
    powers = torch.arange(0, half, 2, dtype=torch.float32, device=positions.device) / half
    frequencies = (1.0 / 10000**powers).half().float()
    # [B, 2, T, d/4], twice in each half.
    angles = positions[..., None].float() * frequencies
    angles = torch.cat([angles, angles], -1).transpose(1, 2).flatten(2)[:, None]
    return angles.cos().to(dtype), angles.sin().to(dtype)


def turned(states: torch.Tensor, turn: Turn) -> torch.Tensor:
    """Return heads [B, heads, T, d] turned, each half of them on its own."""
    cosines, sines = turn
    rotated = torch.cat([rotate_half(half) for half in states.chunk(2, -1)], -1)
    return states * cosines + rotated * sines


class ChatGLMAttention(nn.Module):
    """Attention whose heads are rows [query | key | value] of one projection."""

    def __init__(self, config: ChatGLMConfig, layer: int) -> None:
        super().__init__()
        size = config.hidden_size
        self.config = config
        self.layer = layer
        self.head_dim = size // config.num_attention_heads
        self.num_key_value_groups = 1
        self.scaling = self.head_dim**-0.5
        # The mask says all; without one nothing would be hidden.
        self.is_causal = False
        self.query_key_value = nn.Linear(size, 3 * size)
        self.dense = nn.Linear(size, size)

    def forward(
        self, states: torch.Tensor, turn: Turn, mask: torch.Tensor, cache: Any
    ) -> torch.Tensor:
        """Return the attention's output [B, Q, h] for states [B, Q, h]."""
        shape = states.shape[:-1]
        heads = self.query_key_value(states).view(*shape, -1, 3 * self.head_dim)
        query, key, value = heads.transpose(1, 2).chunk(3, dim=-1)
        query, key = turned(query, turn), turned(key, turn)
        if cache is not None:
            key, value = cache.update(key, value, self.layer)
        kernel: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        output, _ = kernel(self, query, key, value, mask, dropout=0.0, scaling=self.scaling)
        return self.dense(output.reshape(*shape, -1))


class FeedForward(nn.Module):
    """Two projections around GELU by tanh."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.intermediate_size)
        self.dense_4h_to_h = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return [B, Q, h] for [B, Q, h]."""
        inner = functional.gelu(self.dense_h_to_4h(states), approximate="tanh")
        return self.dense_4h_to_h(inner)


class ChatGLMBlock(GradientCheckpointingLayer):
    """A block whose residuals are the normed inputs, scaled by sqrt(2 x `residual_layers`)."""

    def __init__(self, config: ChatGLMConfig, layer: int) -> None:
        super().__init__()
        self.scale = math.sqrt(2 * config.residual_layers)
        self.input_layernorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.attention = ChatGLMAttention(config, layer)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.mlp = FeedForward(config)

    def forward(
        self, states: torch.Tensor, turn: Turn, mask: torch.Tensor, past_key_values: Any = None
    ) -> torch.Tensor:
        """Return [B, Q, h] for [B, Q, h]."""
        normed = self.input_layernorm(states)
        states = normed * self.scale + self.attention(normed, turn, mask, past_key_values)
        normed = self.post_attention_layernorm(states)
        return normed * self.scale + self.mlp(normed)
