"""The configs of Baichuan-7B and Baichuan-13B, which both call themselves `baichuan`.

Owns: telling them apart. 13B's has `model_max_length` and no `max_position_embeddings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.models.llama.configuration_llama import LlamaConfig

from tunegrid.config.errors import ConfigError
from tunegrid.models.architectures.hub_fields import translated

_DEFAULTS = {"vocab_size": 64000, "pad_token_id": 0}
# Baichuan 2 has a normalised head; its configs have this field and 125,696 pieces.
_SECOND = ("z_loss_weight",)
_SECOND_VOCABULARY = 125696


class BaichuanConfig(LlamaConfig):
    """Baichuan-7B: Llama whose query, key and value are one projection, `W_pack`."""

    model_type = "baichuan"

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """Return the config of whichever Baichuan the fields describe.

        Raises:
            ConfigError: the fields are those of Baichuan 2.

        """
        if any(name in config_dict for name in _SECOND) or (
            config_dict.get("vocab_size") == _SECOND_VOCABULARY
        ):
            raise ConfigError(
                "config.json of Baichuan: its fields are those of Baichuan 2, whose head is "
                "normalised; accepted are Baichuan-7B and Baichuan-13B of 2023; choose one of them"
            )
        has_biases = "max_position_embeddings" not in config_dict
        chosen = BaichuanAlibiConfig if has_biases else cls
        # `gradient_checkpointing` is how the original wrote a training setting into its config.
        fields = {k: v for k, v in config_dict.items() if k != "gradient_checkpointing"}
        renamed = {"model_max_length": "max_position_embeddings"}
        ours = translated(fields, base="Baichuan", renamed=renamed)
        return super(BaichuanConfig, chosen).from_dict(_DEFAULTS | ours, **kwargs)


class BaichuanAlibiConfig(BaichuanConfig):
    """Baichuan-13B: as 7B, with linear biases (ALiBi) in the place of rotary positions."""

    model_type = "baichuan_alibi"

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """Return the config; a saved one has `max_position_embeddings`."""
        renamed = {"model_max_length": "max_position_embeddings"}
        ours = translated(config_dict, base="Baichuan-13B", renamed=renamed)
        return super(BaichuanConfig, cls).from_dict(_DEFAULTS | ours, **kwargs)
