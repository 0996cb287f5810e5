"""The fused Bloom equals transformers' eager Bloom: logits, gradients, packed rows, answers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM

from tunegrid.models.architectures.bloom.modeling import FusedBloomAttention, FusedBloomForCausalLM

# Hidden size, layers, heads (12 and 10 are no powers of two: the slopes are interpolated), seed.
SHAPES = [(64, 2, 4, 0), (96, 3, 12, 1), (80, 1, 10, 2), (32, 4, 1, 3)]
KERNELS = ["eager", "sdpa"]


def pair(shape: tuple[int, int, int, int], kernel: str) -> tuple[Any, Any]:
    """Return transformers' Bloom and ours with the same weights, far from their usual size."""
    hidden, layers, heads, seed = shape
    config = BloomConfig(
        vocab_size=97, hidden_size=hidden, n_layer=layers, n_head=heads, initializer_range=0.2,
        pad_token_id=3, use_cache=False,
    )  # fmt: skip
    torch.manual_seed(seed)
    reference = BloomForCausalLM._from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if "bias" in name or "layernorm" in name or "ln_f" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    own = FusedBloomForCausalLM._from_config(copy.deepcopy(config), attn_implementation=kernel)
    own.load_state_dict(reference.state_dict())
    assert reference(torch.arange(20)[None]).logits.std() > 0.5
    return reference.eval(), own.eval()


def masks(rows: int, width: int, side: str) -> torch.Tensor:
    mask = torch.ones(rows, width, dtype=torch.long)
    for row in range(1, rows):
        hidden = slice(0, 4 * row) if side == "left" else slice(width - 4 * row, width)
        mask[row, hidden] = 0
    return mask


def gradients(model: Any, **inputs: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model(**inputs).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [None, "left", "right"])
def test_logits_loss_and_gradients_are_those_of_the_reference(shape, kernel, side):
    reference, own = pair(shape, kernel)
    ids = torch.randint(4, 97, (3, 17), generator=torch.Generator().manual_seed(5))
    mask = None if side is None else masks(3, 17, side)
    # Padding predicts nothing: what stands in its rows is nobody's.
    labels = ids if mask is None else ids.masked_fill((mask * mask.roll(1, 1)) == 0, -100)
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    real = torch.ones_like(ids).bool() if mask is None else mask.bool()
    with torch.no_grad():
        expected, found = reference(**inputs), own(**inputs)
    torch.testing.assert_close(found.logits[real], expected.logits[real], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=1e-6)
    expected, found = gradients(reference, **inputs), gradients(own, **inputs)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_examples_packed_into_one_row_are_read_as_apart(shape, kernel):
    reference, own = pair(shape, kernel)
    lengths = [7, 1, 12, 5]
    ids = torch.randint(4, 97, (sum(lengths),), generator=torch.Generator().manual_seed(6))
    block = torch.block_diag(*[torch.ones(n, n).tril() for n in lengths]).bool()
    mask = torch.zeros(block.shape).masked_fill(~block, torch.finfo(torch.float32).min)
    with torch.no_grad():
        apart = torch.cat([reference(input_ids=one[None]).logits[0] for one in ids.split(lengths)])
        packed = own(input_ids=ids[None], attention_mask=mask[None, None]).logits[0]
    torch.testing.assert_close(packed, apart, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_packing_changes_no_bias_in_16_bit(dtype):
    """Positions counted over the row would be rounded otherwise than those of each example."""
    _, own = pair((64, 2, 4, 0), "sdpa")
    own = own.to(dtype)
    ids = torch.randint(4, 97, (600,), generator=torch.Generator().manual_seed(7))
    block = torch.block_diag(torch.ones(570, 570).tril(), torch.ones(30, 30).tril()).bool()
    with torch.no_grad():
        apart = own(input_ids=ids[None, 570:]).logits[0]
        packed = own(input_ids=ids[None], attention_mask=block[None, None]).logits[0, 570:]
    # Sums over 600 keys are added in another order than over 30: the last bit of a number of 4.
    assert (packed - apart).abs().max() < 0.05 * apart.std()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("beams", [1, 3])
def test_answers_with_a_cache_are_those_of_the_reference(kernel, beams):
    reference, own = pair((96, 3, 12, 1), kernel)
    ids = torch.randint(4, 97, (3, 11), generator=torch.Generator().manual_seed(8))
    inputs = {"input_ids": ids, "attention_mask": masks(3, 11, "left")}
    options = {"max_new_tokens": 9, "do_sample": False, "use_cache": True, "num_beams": beams}
    options |= {"output_scores": True, "return_dict_in_generate": True, "min_new_tokens": 9}
    expected = reference.generate(**inputs, **options)
    found = own.generate(**inputs, **options)
    assert torch.equal(found.sequences, expected.sequences)
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-4, rtol=1e-4)


def test_checkpointed_gradients_are_the_same():
    _, own = pair((96, 3, 12, 1), "sdpa")
    inputs = {"input_ids": torch.arange(4, 40)[None], "labels": torch.arange(4, 40)[None]}
    own.train()
    expected = gradients(own, **inputs)
    own.gradient_checkpointing_enable({"use_reentrant": False})
    calls = []
    own.transformer.h[0].mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    found = gradients(own, **inputs)
    assert len(calls) == 2, "a block that is computed again runs twice"
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)


def test_dropout_of_the_attention_is_kept():
    _, own = pair((64, 2, 4, 0), "sdpa")
    for block in own.transformer.h:
        block.self_attention.attention_dropout.p = 0.5
    ids = torch.arange(4, 30)[None]
    with torch.no_grad():
        assert torch.equal(own(ids).logits, own(ids).logits)
        own.train()
        assert not torch.allclose(own(ids).logits, own(ids).logits, atol=1e-2)


def test_the_fused_kernel_is_called(monkeypatch):
    _, own = pair((64, 2, 4, 0), "sdpa")
    assert all(type(block.self_attention) is FusedBloomAttention for block in own.transformer.h)
    monkeypatch.setattr(
        "torch.nn.functional.softmax", lambda *_, **__: pytest.fail("the eager code ran")
    )
    own(torch.arange(4, 30)[None])
