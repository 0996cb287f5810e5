"""Tiny bases of every family with a tokenizer, in folders as the hub has them."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from doubles import golden_bases, tiny_bases

TOKENIZER = {
    "chatglm1": ("glm1_bpe", "ice_text.model"),
    "chatglm2": ("llama_like", "tokenizer.model"),
    "baichuan7b": ("baichuan_like", "tokenizer.model"),
    "baichuan13b": ("baichuan_like", "tokenizer.model"),
    "internlm": ("llama_like", "tokenizer.model"),
}
OF_2023 = (*TOKENIZER, "moss")
"""Golden models, grown to the size of their golden tokenizers and to texts of 512 tokens."""

_SMALL: dict[str, Any] = {
    "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 512, "initializer_range": 0.2,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
}  # fmt: skip
_GROUPED: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 16}
NATIVE: dict[str, dict[str, Any]] = {
    "qwen3": _SMALL | _GROUPED,
    "qwen3_moe": _SMALL
    | _GROUPED
    | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "mistral": _SMALL | _GROUPED,
    "gemma3_text": _SMALL | _GROUPED | {"layer_types": ["sliding_attention", "full_attention"]},
    "glm4": _SMALL | _GROUPED,
    "phi": _SMALL,
    "gpt2": {
        "vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512,
        "initializer_range": 0.2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
    },
    "opt": {
        "vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "ffn_dim": 64, "max_position_embeddings": 512, "word_embed_proj_dim": 32,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
    },
}  # fmt: skip
"""The last of them is not known by name: its modules are read from the model."""


def write(name: str, root: Path) -> Path:
    """Write the base and return its folder."""
    return _golden(name, root) if name in OF_2023 else _native(name, root)


def _golden(name: str, root: Path) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    settings = json.loads((golden_bases.FOLDER / name / "config.json").read_text("utf-8"))
    size = _moss_tokenizer(folder) if name == "moss" else _sentencepiece(name, folder)
    settings["padded_vocab_size" if name == "chatglm2" else "vocab_size"] = size
    for field in (
        "max_position_embeddings", "max_sequence_length", "model_max_length", "n_ctx",
        "n_positions", "seq_length",
    ):  # fmt: skip
        if field in settings:
            settings[field] = 512
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    if name == "chatglm1":
        _with_ids_of(folder, settings)
    from tunegrid.config.schema import ModelConfig
    from tunegrid.models.architectures.families import architecture_of
    from tunegrid.models.bases.loading import load_config

    base = ModelConfig(name=name, path=name, architecture=architecture_of(settings))
    content = golden_bases.weights(load_config(base, root))
    save_file(content, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _sentencepiece(name: str, folder: Path) -> int:
    from sentencepiece import SentencePieceProcessor

    model, file = TOKENIZER[name]
    shutil.copy(golden_bases.FOLDER / "tokenizers" / f"{model}.model", folder / file)
    # ChatGLM2 has five ids behind its pieces.
    return int(SentencePieceProcessor(model_file=str(folder / file)).get_piece_size()) + 8


def _with_ids_of(folder: Path, settings: dict[str, Any]) -> None:
    """Give ChatGLM's config the ids that its tokenizer has for the borders."""
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=str(folder / "ice_text.model"))
    names = {
        "bos_token_id": "<sop>", "eos_token_id": "<eop>", "mask_token_id": "[MASK]",
        "gmask_token_id": "[gMASK]", "pad_token_id": "<pad>",
    }  # fmt: skip
    settings |= {field: model.piece_to_id(piece) for field, piece in names.items()}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")


def _moss_tokenizer(folder: Path) -> int:
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["the fox jumps over the dog 狐狸"] * 9, 300)
    trained.save_model(str(folder))
    words = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    words["<|endoftext|>"] = len(words)
    (folder / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    added = {token: len(words) + i for i, token in enumerate(["  ", "<eoh>", "<eom>"])}
    (folder / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    return len(words) + len(added)


@functools.cache
def _model(name: str) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIG_MAPPING[name](**NATIVE[name]))


def _native(name: str, root: Path) -> Path:
    folder = root / name
    _model(name).save_pretrained(folder)
    tiny_bases.tokenizer("bloom").save_pretrained(folder)
    return folder
