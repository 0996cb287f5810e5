"""Every method, on bases whose two ends share their weights and on others: merged as unmerged."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from doubles import golden_bases, tiny_bases, tiny_methods
from tunegrid.config.schema import CellConfig
from tunegrid.models.methods.attach import attach
from tunegrid.models.methods.attached import export
from tunegrid.models.methods.compatibility import reason_against, reason_not_to_merge
from tunegrid.models.methods.merging import merged_model
from tunegrid.models.seeding import seed_everything

KINDS = ("llama", "bloom")
EMBEDDINGS = {"llama": "embed_tokens", "bloom": "word_embeddings"}
IDS = torch.arange(3, 43).reshape(1, 40)
SAME = 1e-4
"""Of the largest logit; a LoRA on a tied output that went into both ends was at 0.18."""


def logits(model: Any) -> torch.Tensor:
    ids = IDS.clone()
    if model.config.model_type == "chatglm":
        # Where the context ends: [gMASK] <sop>.
        ids[0, 30:32] = torch.tensor([151, 154])
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=ids).logits[0]
    return found


def share_apart(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max() / first.abs().max())


def moved(cell: CellConfig, base: Any, root: Path) -> Any:
    """Return the base with a method whose weights are not those of the start, and export it."""
    seed_everything(cell.seed)
    model = attach(cell.peft, base, tiny_methods.STEPS).model
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    export(model, root / "adapter")
    return model


def check_merged(cell: CellConfig, base: Any, root: Path, *, reload: bool) -> Any:
    untuned = logits(base)
    expected = logits(moved(cell, copy.deepcopy(base), root))
    assert share_apart(untuned, expected) > 10 * SAME, "the method does something"
    merged = merged_model(cell, copy.deepcopy(base), root / "adapter", tiny_methods.STEPS)
    assert share_apart(expected, logits(merged)) < SAME
    if reload:
        merged.save_pretrained(root / "merged")
        again = AutoModelForCausalLM.from_pretrained(root / "merged", dtype="auto")
        assert share_apart(expected, logits(again)) < SAME
    return merged


def are_tied(model: Any) -> bool:
    return bool(model.get_output_embeddings().weight is model.get_input_embeddings().weight)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", tiny_methods.NAMES)
def test_a_method_merges_or_says_why_not(name: str, kind: str, tied: bool, tmp_path: Path) -> None:
    cell = tiny_methods.config(name, kind)
    reason = reason_against(cell.peft, cell.quantization.precision, kind)
    reason = reason or reason_not_to_merge(cell.peft)
    if reason is not None:
        assert len(reason) > 20
        return
    base = tiny_bases.base(kind, tie_word_embeddings=tied)
    assert are_tied(base) is tied
    merged = check_merged(cell, base, tmp_path, reload=False)
    # A method inside the blocks leaves the ends as they were.
    assert are_tied(merged) is tied
    assert merged.config.tie_word_embeddings is tied


ENDS: dict[str, dict[str, Any]] = {
    "output": {"target_modules": ["lm_head", "attention"]},
    "embeddings": {"target_modules": ["embeddings", "attention"]},
    "both": {"target_modules": ["embeddings", "lm_head"]},
    "saved output": {"modules_to_save": ["lm_head"]},
    "saved embeddings": {"modules_to_save": ["embeddings"]},
}


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends", ENDS)
def test_a_method_on_the_ends_is_read_back_as_it_was(
    ends: str, kind: str, tied: bool, tmp_path: Path
) -> None:
    words = {"attention": tiny_bases.TARGETS[kind][0], "embeddings": EMBEDDINGS[kind]}
    options = {key: [words.get(name, name) for name in names] for key, names in ENDS[ends].items()}
    cell = tiny_methods.config("lora", kind, **options)
    base = tiny_bases.base(kind, tie_word_embeddings=tied)
    merged = check_merged(cell, base, tmp_path, reload=True)
    assert not are_tied(merged)
    assert merged.config.tie_word_embeddings is False


@pytest.mark.parametrize("kind", KINDS)
def test_full_training_of_a_tied_base_stays_tied(kind: str, tmp_path: Path) -> None:
    cell = tiny_methods.config("full", kind)
    base = tiny_bases.base(kind, tie_word_embeddings=True)
    assert are_tied(check_merged(cell, base, tmp_path, reload=True))


@pytest.mark.parametrize(
    "name", ["chatglm1", "chatglm2", "baichuan7b", "baichuan13b", "internlm", "moss"]
)
def test_lora_merges_into_every_architecture(name: str, tmp_path: Path) -> None:
    base = golden_bases.model(name, "sdpa")
    targets = {
        "chatglm1": ["query_key_value"], "chatglm2": ["query_key_value"], "moss": ["qkv_proj"],
        "baichuan7b": ["W_pack"], "baichuan13b": ["W_pack"], "internlm": ["q_proj", "v_proj"],
    }[name]  # fmt: skip
    cell = tiny_methods.config("lora", "llama", target_modules=targets)
    check_merged(cell, base, tmp_path, reload=True)
