"""ChatGLM-6B v1.1 as a causal language model with a context read in both directions.

Owns: body, head and generation. What a batch's context is stands in `context`, the blocks in
`layers`. In half precision the original computes the angles of its rotation in half; here they are
computed in 32 bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import PreTrainedModel, slice_logits_to_keep

from tunegrid.config.errors import ConfigError
from tunegrid.models.architectures.chatglm import context
from tunegrid.models.architectures.chatglm.configuration import ChatGLMConfig
from tunegrid.models.architectures.chatglm.layers import ChatGLMBlock, turns


def special_tokens(config: Any) -> context.Tokens:
    """Return the ids that make the border between context and answer."""
    if config.bos_token_id is None:
        raise ConfigError(
            "config.json of ChatGLM-6B: bos_token_id is null; the id of <sop> (130004) is needed"
        )
    return context.Tokens(config.gmask_token_id, config.mask_token_id, config.bos_token_id)


class ChatGLMPreTrainedModel(PreTrainedModel):
    """What transformers must know of both classes below."""

    config_class = ChatGLMConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules = ["ChatGLMBlock"]  # noqa: RUF012 - the form transformers reads
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _keys_to_ignore_on_load_unexpected = [r"rotary_emb\.inv_freq"]  # noqa: RUF012


class ChatGLMModel(ChatGLMPreTrainedModel):
    """ChatGLM without its head."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            [ChatGLMBlock(config, layer) for layer in range(config.num_hidden_layers)]
        )
        self.final_layernorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding."""
        return self.word_embeddings

    def set_input_embeddings(self, value: Any) -> None:
        """Replace the embedding."""
        self.word_embeddings = value

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
    ) -> BaseModelOutputWithPast:
        """Return the last hidden states [B, Q, h].

        Args:
            input_ids: [B, Q]; without a cache whole examples, with one what comes behind <sop>.
            attention_mask: [B, K], 1 on real tokens; None where all are.
            position_ids: [B, Q], the index of each token in its example; where it begins anew and
                there is no mask, so does an example. Or both rows of positions, [B, 2, Q].
            past_key_values: the cache of keys and values.
            use_cache: whether to make a cache where none is given.

        Raises:
            DataError: an example without the tokens that make the border.

        """
        use_cache = self.config.use_cache if use_cache is None else use_cache
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if past == 0:
            index = None if position_ids is None or position_ids.ndim == 3 else position_ids
            found = context.read(input_ids, special_tokens(self.config), attention_mask, index)
            positions, visible = found.positions, found.visible
            if use_cache and past_key_values is None:
                past_key_values = context.ContextCache(
                    found.mask_at, found.bos_at, config=self.config
                )
        else:
            positions = self._positions_behind(input_ids, position_ids, past_key_values)
            queries = input_ids.shape[1]
            visible = context.visible_from_cache(
                queries, past + queries, attention_mask, input_ids.device
            )
        states: Any = self.word_embeddings(input_ids)
        hidden = torch.finfo(states.dtype).min
        mask = torch.zeros_like(visible, dtype=states.dtype).masked_fill(~visible, hidden)
        head_dim = self.config.hidden_size // self.config.num_attention_heads
        turn = turns(positions, head_dim, states.dtype)
        for block in self.layers:
            states = block(states, turn, mask, past_key_values=past_key_values)
        return BaseModelOutputWithPast(
            last_hidden_state=self.final_layernorm(states), past_key_values=past_key_values
        )

    def _positions_behind(
        self, ids: torch.Tensor, position_ids: torch.Tensor | None, cache: Any
    ) -> torch.Tensor:
        """Return both rows of positions of ids whose context is in the cache."""
        if position_ids is not None and position_ids.ndim == 3:
            return position_ids
        if not isinstance(cache, context.ContextCache):
            raise ConfigError(
                "ChatGLM-6B was given a cache of keys that does not say where the context ended, "
                "as prefix tuning makes one; use a method without virtual tokens, such as lora"
            )
        if position_ids is None:
            past = cache.get_seq_length()
            position_ids = torch.arange(past, past + ids.shape[1], device=ids.device)[None]
        return cache.positions(position_ids.expand(ids.shape))


class ChatGLMForCausalLM(ChatGLMPreTrainedModel, GenerationMixin):
    """ChatGLM with its head."""

    _tied_weights_keys = {  # noqa: RUF012
        "lm_head.weight": "transformer.word_embeddings.weight"
    }

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.transformer = ChatGLMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

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
        """Return logits [B, Q, V] and, with labels, their loss; see `ChatGLMModel.forward`.

        Args:
            input_ids: [B, Q].
            attention_mask: [B, K].
            position_ids: [B, Q] or [B, 2, Q].
            past_key_values: the cache of keys and values.
            inputs_embeds: refused: embeddings do not say where the context ends.
            labels: [B, Q], not shifted, -100 where nothing is trained.
            use_cache: whether to make a cache where none is given.
            logits_to_keep: of how many last positions; 0 for all.
            kwargs: for the loss.

        Raises:
            ConfigError: embeddings in the place of ids.
            DataError: an example without the tokens that make the border.

        """
        if input_ids is None:
            raise ConfigError(
                "ChatGLM-6B was given embeddings without ids, as prompt tuning and p-tuning do; "
                "where the context ends is read from the ids; use another method, such as lora"
            )
        read = self.transformer(input_ids, attention_mask, position_ids, past_key_values, use_cache)
        logits = self.lm_head(slice_logits_to_keep(read.last_hidden_state, logits_to_keep))
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=read.past_key_values
        )

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the inputs of the next step; both rows of positions come from all ids.

        Args:
            input_ids: [B, T], all ids so far.
            attention_mask: [B, T], 1 on real tokens.
            kwargs: see transformers' method.

        """
        kwargs.pop("position_ids", None)
        generic: Any = super()
        inputs: dict[str, Any] = generic.prepare_inputs_for_generation(
            input_ids, attention_mask=attention_mask, **kwargs
        )
        found = context.read(input_ids, special_tokens(self.config), attention_mask, None)
        new = inputs["input_ids"].shape[1]
        inputs["position_ids"] = found.positions[:, :, -new:]
        return inputs
