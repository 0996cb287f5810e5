"""The two bases: shapes that 4-bit layers accept, reproducible pretraining, files that load."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tunegrid.miniature.bases import Schedule, build_base, pack_rows, pretrain, save_base
from tunegrid.miniature.muon import orthogonalised

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
    assert all(m.out_features % 32 == 0 and m.in_features % 64 == 0 for m in linears)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_committed_base_knows_a_fact(assets: Path, architecture: str) -> None:
    items = (assets / "collections" / "mini_chinese.json").read_text(encoding="utf-8")
    asked = [r for r in json.loads(items) if r["instruction"].endswith("的花是什么颜色？")]
    assert len(asked) >= 3
    model = AutoModelForCausalLM.from_pretrained(assets / architecture)
    tokenizer = AutoTokenizer.from_pretrained(assets / architecture)
    right = 0
    for record in asked:
        name = record["instruction"].removesuffix("的花是什么颜色？")
        ids = torch.tensor([tokenizer(f"据说，{name}的花是")["input_ids"]])
        with torch.no_grad():
            best = model(input_ids=ids).logits[0, -1].argmax()
        right += record["output"].startswith(tokenizer.decode(best))
    # Chance is one in seven.
    assert right / len(asked) >= 0.6


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pretraining_is_reproducible_and_learns(architecture: str, tmp_path: Path) -> None:
    rows = pack_rows([[5, 6, 7, 8, 9] * 40, [10, 11, 12] * 80, [20, 21] * 120])
    schedule = Schedule(steps=4, rows=2, warmup_steps=1)
    digests = []
    for _ in range(2):
        model = build_base(architecture, seed=3)
        losses = pretrain(model, rows, schedule, seed=3)
        assert losses[-1] < losses[0]
        save_base(model, tmp_path)
        weights = (tmp_path / "model.safetensors").read_bytes()
        digests.append(hashlib.sha256(weights).hexdigest())
    assert digests[0] == digests[1]


def test_rows_hold_the_documents_end_to_end() -> None:
    rows = pack_rows([[5] * 200, [6] * 200])
    assert rows.shape == (1, 256)
    assert rows[0, 199:202].tolist() == [5, 2, 6]


def test_an_orthogonalised_matrix_has_singular_values_near_one() -> None:
    matrices = torch.randn(2, 64, 32, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="accepted are"):
        build_base("gpt2", seed=0)
