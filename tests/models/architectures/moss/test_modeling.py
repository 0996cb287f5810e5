"""MOSS computes what its original code computes, and what CodeGen computes at other sizes."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import CodeGenConfig, CodeGenForCausalLM

from doubles import golden_bases

pytestmark = pytest.mark.parametrize("kernel", golden_bases.KERNELS)


def test_logits(kernel):
    golden_bases.check_plain("moss", kernel)


def test_left_padding(kernel):
    golden_bases.check_left_padding("moss", kernel)


def test_loss_and_gradients(kernel):
    golden_bases.check_training("moss", kernel)


def test_answers_with_a_cache(kernel):
    golden_bases.check_generation("moss", kernel, mask="left_mask")


@pytest.mark.parametrize(
    ("size", "heads", "layers", "rotary"), [(96, 4, 2, 8), (64, 8, 1, 8), (128, 16, 4, 2)]
)
def test_other_sizes_are_codegen(kernel, size, heads, layers, rotary):
    sizes = {"n_embd": size, "n_head": heads, "n_layer": layers, "rotary_dim": rotary}
    own = golden_bases.config("moss", **sizes)
    weights = golden_bases.weights(own, seed=size)
    reference = CodeGenConfig(vocab_size=160, n_positions=64, n_ctx=64, **sizes)
    ids = torch.randint(3, 160, (2, 30), generator=torch.Generator().manual_seed(size))
    mask = torch.ones_like(ids)
    mask[1, :9] = 0
    found = []
    for settings, kind, chosen in (
        (own, golden_bases.model_class(own), kernel),
        (copy.deepcopy(reference), CodeGenForCausalLM, "eager"),
    ):
        base = kind._from_config(settings, attn_implementation=chosen)
        base.load_state_dict(weights)
        labels = ids.masked_fill(mask * mask.roll(1, 1) == 0, -100)
        answer = base(ids, attention_mask=mask, labels=labels)
        answer.loss.backward()
        found.append((answer.logits[mask.bool()], base.transformer.wte.weight.grad))
    assert found[1][0].std() > 1
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-4, rtol=0)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=0)


def test_the_table_of_positions_stays_exact_in_16_bit(kernel, tmp_path):
    golden_bases.write("moss", tmp_path)
    own = golden_bases.config("moss")
    base = golden_bases.model_class(own).from_pretrained(
        tmp_path / "moss", config=own, dtype=torch.bfloat16, attn_implementation=kernel
    )
    assert base.dtype is torch.bfloat16
    assert base.transformer.h[0].attn.embed_positions.dtype is torch.float32
