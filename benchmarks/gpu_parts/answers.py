"""Items a second of multiple-choice questions: batched answers, likelihoods, one by one."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoTokenizer

from gpu_parts import bases
from tunegrid.config.choices import Precision
from tunegrid.config.project import project_directory
from tunegrid.config.schema import DecodingConfig
from tunegrid.models.inference.generation import answer
from tunegrid.models.inference.likelihood import likelihoods

NEW_TOKENS = 32
LETTERS = ["A", "B", "C", "D"]


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return the rates of an 8-bit LLaMA-7B with random weights."""
    path = project_directory() / "assets" / "miniature" / "llama"
    tokenizer = AutoTokenizer.from_pretrained(path)
    count = 8 if options.tiny else 64
    prompts = [f"### Question {i}: {'which of these is it ' * (i % 7 + 3)}" for i in range(count)]
    model = _grown(bases.base("llama", options, Precision.int8), tokenizer)
    ways: dict[str, Callable[[], None]] = {
        "generation": lambda: _generated(model, tokenizer, prompts),
        "likelihood": lambda: _compared(model, tokenizer, prompts),
        "one_by_one": lambda: _one_by_one(model, tokenizer, prompts[: max(4, count // 8)]),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(2):
        for name, way in ways.items():
            began = time.monotonic()
            way()
            items = max(4, count // 8) if name == "one_by_one" else count
            rates[name].append(items / (time.monotonic() - began))
    found: dict[str, Any] = {f"{name}_items_per_second": value for name, value in rates.items()}
    own = max(rates["one_by_one"])
    for name in ("generation", "likelihood"):
        found[f"{name}_by_one_by_one"] = max(rates[name]) / own
    return found


def _grown(model: Any, tokenizer: Any) -> Any:
    """Return the base with an embedding for each of the tokenizer's ids."""
    if len(tokenizer) > model.config.vocab_size:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return model


def _generated(model: Any, tokenizer: Any, prompts: list[str]) -> None:
    given = answer(
        model, tokenizer, prompts, decoding=DecodingConfig(), max_new_tokens=NEW_TOKENS, stop="",
        batch_tokens=8192, seed=0, progress_label="", progress=False,
    )  # fmt: skip
    assert len(list(given)) == len(prompts)


def _compared(model: Any, tokenizer: Any, prompts: list[str]) -> None:
    given = likelihoods(
        model, tokenizer, prompts, [LETTERS] * len(prompts), separator=" ", batch_tokens=8192,
        progress_label="", progress=False,
    )  # fmt: skip
    assert len(list(given)) == len(prompts)


def _one_by_one(model: Any, tokenizer: Any, prompts: list[str]) -> None:
    """Answer as the seed does: `generate` for each prompt, in the base's own types."""
    device = model.get_input_embeddings().weight.device
    with torch.no_grad():
        for prompt in prompts:
            ids = tokenizer(prompt, return_tensors="pt")["input_ids"].to(device)
            model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS,
                do_sample=False, use_cache=True, pad_token_id=tokenizer.pad_token_id or 2,
            )  # fmt: skip
