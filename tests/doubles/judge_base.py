"""A tiny Llama that gives one reply to whatever it is asked: a judge whose words are known.

Nothing is trained. Attention and feed-forward blocks add nothing, so that the next token depends on
the last one alone: any token but those of the reply leads to the reply's first, each of them to the
next, the last to end-of-sequence.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

CHAT = (
    "{% for m in messages %}{{ m.role }}|{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant|{% endif %}"
)


def save(folder: Path, tokenizer_from: Path, reply: str) -> None:
    """Write the base with its tokenizer and chat template; the reply's tokens must all differ."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_from)
    tokenizer.chat_template = CHAT
    ids = tokenizer(reply, add_special_tokens=False)["input_ids"]
    assert len(set(ids)) == len(ids), tokenizer.convert_ids_to_tokens(ids)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=8192, tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embedding, head = model.model.embed_tokens.weight, model.lm_head.weight
        embedding.zero_()
        head.zero_()
        embedding[:, 0] = 1.0
        for place, token in enumerate([*ids, tokenizer.eos_token_id]):
            head[token, place] = 10.0
        for place, token in enumerate(ids):
            embedding[token] = 0.0
            embedding[token, place + 1] = 1.0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = folder / "generation_config.json"
    values = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps(values | {"do_sample": False}), encoding="utf-8")
