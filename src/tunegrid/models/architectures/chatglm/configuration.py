"""The config of ChatGLM-6B v1.1, and telling it from ChatGLM2's, which has the same name.

Owns: the fields of the first ChatGLM. A config with `padded_vocab_size` is ChatGLM2's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.configuration_utils import PreTrainedConfig

from tunegrid.models.architectures.chatglm2.configuration import ChatGLM2Config
from tunegrid.models.architectures.hub_fields import translated

_RENAMED = {
    "num_layers": "num_hidden_layers",
    "inner_hidden_size": "intermediate_size",
    "layernorm_epsilon": "layer_norm_eps",
    "max_sequence_length": "max_position_embeddings",
}
_ONLY = {
    "position_encoding_2d": True,
    "quantization_bit": 0,
    "pre_seq_len": None,
    "use_parallel_residual": None,
}
_WITHOUT_EFFECT = ("quantization_embeddings", "prefix_projection")


class ChatGLMConfig(PreTrainedConfig):
    """ChatGLM-6B v1.1; the numbers are those of its files."""

    model_type = "chatglm"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012 - the form transformers reads

    vocab_size: int = 130528
    hidden_size: int = 4096
    num_hidden_layers: int = 28
    num_attention_heads: int = 32
    intermediate_size: int = 16384
    layer_norm_eps: float = 1e-5
    max_position_embeddings: int = 2048
    residual_layers: int = 28
    """Layers by which residuals are scaled: the original takes 28 whatever the depth."""
    mask_token_id: int = 130000
    gmask_token_id: int = 130001
    bos_token_id: int | None = 130004
    eos_token_id: int | list[int] | None = 130005
    pad_token_id: int | None = 3
    initializer_range: float = 0.02
    use_cache: bool = True
    tie_word_embeddings: bool = True
    """As transformers tied them in 2023; files in which the two differ are not tied."""

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """Return the config of whichever ChatGLM the fields describe.

        Raises:
            ConfigError: a variant that is not implemented; all of its fields are named.

        """
        if "padded_vocab_size" in config_dict:
            return ChatGLM2Config.from_dict(config_dict, **kwargs)
        fields = {k: v for k, v in config_dict.items() if k not in _WITHOUT_EFFECT}
        ours = translated(fields, base="ChatGLM-6B", renamed=_RENAMED, only=_ONLY)
        return super().from_dict(ours, **kwargs)
