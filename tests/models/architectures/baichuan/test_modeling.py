"""Baichuan-7B and 13B compute what their original code computes; other sizes are Llama's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from doubles import golden_bases

pytestmark = pytest.mark.parametrize("kernel", golden_bases.KERNELS)
BOTH = pytest.mark.parametrize("name", ["baichuan7b", "baichuan13b"])


@BOTH
def test_logits(name, kernel):
    golden_bases.check_plain(name, kernel)


@BOTH
def test_left_padding(name, kernel):
    golden_bases.check_left_padding(name, kernel)


@BOTH
def test_loss_and_gradients(name, kernel):
    golden_bases.check_training(name, kernel)


@BOTH
def test_answers_with_a_cache(name, kernel):
    golden_bases.check_generation(name, kernel, mask="left_mask")


def llama(own: Any, weights: dict[str, torch.Tensor]) -> Any:
    """Transformers' Llama with the thirds of the fused projection."""
    config = LlamaConfig(
        vocab_size=own.vocab_size, hidden_size=own.hidden_size, pad_token_id=0,
        intermediate_size=own.intermediate_size, num_hidden_layers=own.num_hidden_layers,
        num_attention_heads=own.num_attention_heads, rms_norm_eps=1e-6,
    )  # fmt: skip
    split = {}
    for key, value in weights.items():
        if "W_pack" in key:
            for letter, third in zip("qkv", value.chunk(3), strict=True):
                split[key.replace("W_pack", f"{letter}_proj")] = third
        else:
            split[key] = value
    reference = LlamaForCausalLM._from_config(config, attn_implementation="eager").eval()
    reference.load_state_dict(split)
    return reference


class Unturned(torch.nn.Module):
    def forward(self, states: torch.Tensor, position_ids: torch.Tensor) -> Any:
        shape = (*position_ids.shape, 16)
        return states.new_ones(shape), states.new_zeros(shape)


@BOTH
@pytest.mark.parametrize(("heads", "layers"), [(2, 1), (6, 4), (11, 2)])
def test_other_sizes_are_llama_with_its_thirds(name, kernel, heads, layers):
    sizes = {"hidden_size": 16 * heads, "num_attention_heads": heads, "num_hidden_layers": layers}
    own = golden_bases.config(name, **sizes)
    weights = golden_bases.weights(own, seed=heads)
    base = golden_bases.model_class(own)._from_config(own, attn_implementation=kernel).eval()
    base.load_state_dict(weights)
    ids = torch.randint(3, 160, (2, 33), generator=torch.Generator().manual_seed(heads))
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    reference = llama(own, weights)
    given = mask
    if name == "baichuan13b":
        reference.model.rotary_emb = Unturned()
        biases = build_alibi_tensor(mask, heads, torch.float32).view(2, heads, 1, 33)
        hidden = ~(torch.ones(33, 33).tril().bool() & mask.bool()[:, None, None])
        given = biases.masked_fill(hidden, torch.finfo(torch.float32).min)
    with torch.no_grad():
        expected = reference(ids, attention_mask=given).logits[mask.bool()]
        found = base(ids, attention_mask=mask).logits[mask.bool()]
    assert expected.std() > 1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_13b_has_no_kernel_that_would_drop_its_biases(kernel):
    base = golden_bases.model("baichuan13b", kernel)
    for kind in (type(base), type(base.model)):
        assert not kind._supports_flash_attn
        assert not kind._supports_flex_attn
    assert golden_bases.model("baichuan7b", kernel)._supports_flash_attn
