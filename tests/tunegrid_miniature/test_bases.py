"""The two bases: shapes that 4-bit layers accept, reproducible pretraining, files that load."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tunegrid_miniature.bases import (
    Schedule,
    build_base,
    make_batches,
    pretrain,
    pretrain_and_save,
    save_base,
)
from tunegrid_miniature.holdout import Split

ARCHITECTURES = ("llama", "bloom")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_committed_base_loads_in_fp32_and_knows_its_special_tokens(
    assets: Path, architecture: str
) -> None:
    model = AutoModelForCausalLM.from_pretrained(assets / architecture)
    tokenizer = AutoTokenizer.from_pretrained(assets / architecture)
    assert model.config.model_type == architecture
    assert model.dtype == torch.float32
    assert model.config.vocab_size == len(tokenizer)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(model.config, name) == getattr(tokenizer, name)
        assert getattr(model.generation_config, name) == getattr(tokenizer, name)
    assert model.generation_config.use_cache is True
    assert 1e6 <= sum(p.numel() for p in model.parameters()) <= 4e6


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shapes_fit_four_bit_layers(architecture: str) -> None:
    model = build_base(architecture, seed=0)
    assert model.config.hidden_size % 64 == 0
    linears = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert len(linears) > 10
    assert linears
    assert all(m.out_features % 32 == 0 and m.in_features % 64 == 0 for m in linears)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_committed_base_knows_the_held_out_facts(
    assets: Path, split: Split, architecture: str
) -> None:
    facts = [fact for fact in split.held_out if fact.attribute == "flower"]
    assert len(facts) >= 10
    model = AutoModelForCausalLM.from_pretrained(assets / architecture)
    tokenizer = AutoTokenizer.from_pretrained(assets / architecture)
    right = 0
    for fact in facts:
        prompt = f"据说，{fact.entity.name.zh}的花是"
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([tokenizer(prompt)["input_ids"]])).logits
        right += fact.values[0].zh.startswith(tokenizer.decode(logits[0, -1].argmax()))
    # Chance is one in seven.
    assert right / len(facts) >= 0.7


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pretraining_is_reproducible_and_learns(architecture: str, tmp_path: Path) -> None:
    documents = [[5, 6, 7, 8, 9] * 10, [10, 11, 12] * 20, [20, 21] * 30]
    schedule = Schedule(steps=6, batch_tokens=128, warmup_steps=1)
    digests = []
    for _ in range(2):
        model = build_base(architecture, seed=3)
        losses = pretrain(model, documents, schedule, seed=3)
        assert losses[-1] < losses[0]
        save_base(model, tmp_path)
        weights = (tmp_path / "model.safetensors").read_bytes()
        digests.append(hashlib.sha256(weights).hexdigest())
    assert digests[0] == digests[1]


def test_batches_hold_every_document_once_in_a_row_of_its_own() -> None:
    documents = [[number] * (3 + number % 7) for number in range(10, 60)]
    batches = make_batches(documents, tokens=64, seed=0)
    assert len(batches) > 3
    assert batches
    assert all(batch.numel() <= 64 for batch in batches)
    rows = [row for batch in batches for row in batch.tolist()]
    found = [row[: row.index(2)] for row in rows]
    assert sorted(found) == sorted(documents)
    assert rows
    assert all(set(row[row.index(2) + 1 :]) <= {3} for row in rows)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="accepted are"):
        build_base("gpt2", seed=0)


def test_the_work_of_a_process_can_be_sent_to_it() -> None:
    assert pickle.dumps(pretrain_and_save).count(b"tunegrid_miniature.bases") == 1
