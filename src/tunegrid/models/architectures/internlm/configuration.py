"""The config of InternLM-7B, version 1, in Llama's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.models.llama.configuration_llama import LlamaConfig

from tunegrid.config.errors import ConfigError
from tunegrid.models.architectures.hub_fields import translated


class InternLMConfig(LlamaConfig):
    """Llama with `attention_bias`: on query, key, value and output, as InternLM's `bias`."""

    model_type = "internlm"

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """Return the config of the fields of a config.json, its own or one saved here.

        Raises:
            ConfigError: a kind of rotary positions that is not implemented.

        """
        fields = dict(config_dict)
        # Files of late 2023 name it: `dynamic` changes nothing below max_position_embeddings.
        rotary = fields.pop("rotary", None)
        if rotary is not None:
            if rotary.get("type") not in ("dynamic", "origin"):
                raise ConfigError(
                    f"config.json of InternLM: rotary.type is {rotary.get('type')!r}; accepted: "
                    "'dynamic', 'origin'; load the weights as their authors published them"
                )
            fields["rope_parameters"] = {"rope_type": "default", "rope_theta": rotary["base"]}
        ours = translated(fields, base="InternLM", renamed={"bias": "attention_bias"})
        return super().from_dict({"attention_bias": True, "vocab_size": 103168} | ours, **kwargs)
