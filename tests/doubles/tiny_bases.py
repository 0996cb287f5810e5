"""Tiny bases built in memory: a Llama and a Bloom of 64 dimensions with tokenizers of 320 words.

The tokenizers are of the two kinds that matter at the border of prompt and answer: a Llama-like
one that puts a space in front of a text and opens it with `<s>`, and a byte-level one that adds
nothing.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from tunegrid.config.schema import ModelConfig
from tunegrid.data.tokens import TokenizedSet, encode_all
from tunegrid.models.methods import library
from tunegrid.models.methods.attached import Attached
from tunegrid.models.seeding import seed_everything

TARGETS = {"llama": ["q_proj", "v_proj"], "bloom": ["query_key_value"]}
KINDS = tuple(TARGETS)
_WORDS = 320

# Tensors this small are slower on several threads than on one.
torch.set_num_threads(1)
_UNKNOWN = {"unk_token": "<unk>"}
_SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
_TEXTS = [
    "Below is an instruction that describes a task.\n\n### Instruction:\nName the capital of",
    "France. ### Response: Paris is the capital of France, and the fox jumps over the dog.",
] * 20


@functools.cache
def tokenizer(kind: str) -> Any:
    """The tokenizer of `llama` or `bloom`."""
    special = ["<unk>", "<s>", "</s>"]
    if kind == "llama":
        built = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, **_UNKNOWN))
        built.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        built.decoder = decoders.Sequence(
            [
                decoders.Replace("▁", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
        special += [f"<0x{byte:02X}>" for byte in range(256)]
    else:
        built = Tokenizer(models.BPE())
        built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_WORDS,
        special_tokens=special,
        initial_alphabet=[] if kind == "llama" else pre_tokenizers.ByteLevel.alphabet(),
    )
    built.train_from_iterator(_TEXTS, trainer)
    # The bytes are words like any other; the trainer alone needs them to be special.
    trained = json.loads(built.to_str())
    trained["added_tokens"] = trained["added_tokens"][:3]
    built = Tokenizer.from_str(json.dumps(trained))
    if kind == "llama":
        built.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=built, **_UNKNOWN, **_SPECIAL)


def base(kind: str, **settings: Any) -> Any:
    """An untrained base; the same weights each time."""
    torch.manual_seed(0)
    shared = {"vocab_size": _WORDS, "hidden_size": 64, "initializer_range": 0.08}
    shared |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "use_cache": False}
    if kind == "llama":
        own = {"intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
        limits = {"max_position_embeddings": 256}
        return LlamaForCausalLM(LlamaConfig(**shared | own | limits | settings))
    return BloomForCausalLM(BloomConfig(**shared | {"n_layer": 2, "n_head": 4} | settings))


def save(kind: str, root: Path) -> ModelConfig:
    """Write a base below `root` and return its settings."""
    base(kind).save_pretrained(root / kind)
    tokenizer(kind).save_pretrained(root / kind)
    return ModelConfig(
        name=kind, path=kind, architecture=kind, attention_modules=list(TARGETS[kind])
    )


def lora(model: Any, kind: str, *, awake: bool = True, **options: Any) -> Attached:
    """LoRA without dropout; `awake` fills its second matrix, which is zero at the beginning."""
    seed_everything(0)
    settings = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": TARGETS[kind]}
    attached = library.attach(model, type="LORA", **settings | options)
    if awake:
        with torch.no_grad():
            for name, parameter in attached.model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.1)
    return attached


def examples(kind: str, count: int = 12, **options: Any) -> TokenizedSet:
    """Examples of different lengths, some in bytes only."""
    texts = [
        (
            f"### Question {i}: {'the fox ' * (i * 5 % 7)}\n### Response:",
            f" {'狐 jumps ' * (i % 4)}{i}",
        )
        for i in range(count)
    ]
    return encode_all(tokenizer(kind), texts, **{"max_length_tokens": 128} | options)
