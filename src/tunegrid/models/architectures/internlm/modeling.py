"""InternLM-7B, version 1: Llama as transformers has it, under its own name."""

from __future__ import annotations

from transformers.models.llama.modeling_llama import LlamaForCausalLM

from tunegrid.models.architectures.internlm.configuration import InternLMConfig


class InternLMForCausalLM(LlamaForCausalLM):
    """Llama with biases in its attention; every name in its files is Llama's."""

    config_class = InternLMConfig
    _keys_to_ignore_on_load_unexpected = [r"rotary_emb\.inv_freq"]  # noqa: RUF012
