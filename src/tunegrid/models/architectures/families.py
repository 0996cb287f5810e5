"""What the modules of known architectures are called, without torch.

Owns: the names of the projections by `model_type`, and which of two architectures a config of the
hub means. A test holds every entry to the architecture itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Modules:
    """The last parts of the names of an architecture's projections."""

    attention: tuple[str, ...]
    """Where the study's LoRA sits: query and value, or the one that holds them all."""
    linear: tuple[str, ...]
    """Every linear projection inside the blocks."""


_LLAMA = Modules(
    ("q_proj", "v_proj"),
    ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
)
_MIXTURE = Modules(("q_proj", "v_proj"), ("q_proj", "k_proj", "v_proj", "o_proj"))
"""The experts of a mixture are single tensors in transformers 5, no linear modules."""
_NEOX = Modules(
    ("query_key_value",), ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
)
_FUSED_MLP = Modules(
    ("q_proj", "v_proj"), ("q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj")
)
_PACKED = Modules(("W_pack",), ("W_pack", "o_proj", "gate_proj", "up_proj", "down_proj"))

KNOWN: Mapping[str, Modules] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": _LLAMA,
    "gemma2": _LLAMA,
    "gemma3_text": _LLAMA,
    "olmo2": _LLAMA,
    "smollm3": _LLAMA,
    "internlm": _LLAMA,
    "internlm3": _LLAMA,
    "mixtral": _MIXTURE,
    "qwen3_moe": _MIXTURE,
    "glm": _FUSED_MLP,
    "glm4": _FUSED_MLP,
    "phi": Modules(("q_proj", "v_proj"), ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")),
    "phi3": Modules(("qkv_proj",), ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")),
    "gpt2": Modules(("c_attn",), ("c_attn", "c_proj", "c_fc")),
    "gpt_neox": _NEOX,
    "falcon": _NEOX,
    "bloom": _NEOX,
    "chatglm": _NEOX,
    "chatglm2": _NEOX,
    "moss": Modules(("qkv_proj",), ("qkv_proj", "out_proj", "fc_in", "fc_out")),
    "codegen": Modules(("qkv_proj",), ("qkv_proj", "out_proj", "fc_in", "fc_out")),
    "baichuan": _PACKED,
    "baichuan_alibi": _PACKED,
}


def architecture_of(config: Mapping[str, Any]) -> str:
    """Return the architecture that a config.json means.

    Both ChatGLMs say `chatglm` and both Baichuans `baichuan`: their fields tell them apart, as
    `registration` does. A model of images and texts is named by its text part where it has one.
    """
    kind = str(config.get("model_type", ""))
    if kind == "chatglm" and "padded_vocab_size" in config:
        return "chatglm2"
    if kind == "baichuan" and "max_position_embeddings" not in config:
        return "baichuan_alibi"
    return kind
