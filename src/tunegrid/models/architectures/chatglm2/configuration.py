"""The config of ChatGLM2-6B in GLM's words; its files call it `chatglm`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.models.glm.configuration_glm import GlmConfig

from tunegrid.models.architectures.hub_fields import translated

_RENAMED = {
    "num_layers": "num_hidden_layers",
    "padded_vocab_size": "vocab_size",
    "ffn_hidden_size": "intermediate_size",
    "kv_channels": "head_dim",
    "multi_query_group_num": "num_key_value_heads",
    "seq_length": "max_position_embeddings",
    "layernorm_epsilon": "rms_norm_eps",
    "add_qkv_bias": "attention_bias",
}
_ONLY = {
    "rmsnorm": True,
    "multi_query_attention": True,
    "post_layer_norm": True,
    "original_rope": True,
    "apply_residual_connection_post_layernorm": False,
    "add_bias_linear": False,
    "hidden_dropout": 0.0,
    "quantization_bit": 0,
    "fp32_residual_connection": False,
}
# They change how the original computes and not what.
_WITHOUT_EFFECT = (
    "apply_query_key_layer_scaling",
    "attention_softmax_in_fp32",
    "bias_dropout_fusion",
    "pre_seq_len",
    "prefix_projection",
    "num_labels",
)
# GLM's own would be another epsilon, and ids outside of the vocabulary.
_DEFAULTS = {
    "rms_norm_eps": 1e-5,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "num_hidden_layers": 28,
    "vocab_size": 65024,
    "max_position_embeddings": 32768,
}


class ChatGLM2Config(GlmConfig):
    """GLM's fields: half of each head turns, few heads of keys and values, biases on these."""

    model_type = "chatglm2"

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """Return the config of the fields of a config.json, its own or one saved here.

        Raises:
            ConfigError: a variant that is not implemented; all of its fields are named.

        """
        fields = {k: v for k, v in config_dict.items() if k not in _WITHOUT_EFFECT}
        ours = translated(fields, base="ChatGLM2", renamed=_RENAMED, only=_ONLY)
        return super().from_dict(_DEFAULTS | ours, **kwargs)
