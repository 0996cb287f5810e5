"""InternLM-7B v1 computes what its original code computes."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from doubles import golden_bases

pytestmark = pytest.mark.parametrize("kernel", golden_bases.KERNELS)


def test_logits(kernel):
    golden_bases.check_plain("internlm", kernel)


def test_left_padding(kernel):
    golden_bases.check_left_padding("internlm", kernel)


def test_loss_and_gradients(kernel):
    golden_bases.check_training("internlm", kernel)


def test_answers_with_a_cache(kernel):
    golden_bases.check_generation("internlm", kernel, mask="left_mask")


@pytest.mark.parametrize(("size", "heads", "layers"), [(96, 6, 2), (32, 1, 5)])
def test_other_sizes_are_llama_with_biases(kernel, size, heads, layers):
    sizes = {"hidden_size": size, "num_attention_heads": heads, "num_hidden_layers": layers}
    own = golden_bases.config("internlm", **sizes)
    llama = LlamaConfig(
        vocab_size=160, intermediate_size=192, max_position_embeddings=64, attention_bias=True,
        pad_token_id=2, rms_norm_eps=1e-6, **sizes,
    )  # fmt: skip
    weights = golden_bases.weights(own, seed=size)
    ids = torch.arange(5, 45)[None]
    logits = []
    for settings, kind in ((own, golden_bases.model_class(own)), (llama, LlamaForCausalLM)):
        base = kind._from_config(settings, attn_implementation=kernel).eval()
        base.load_state_dict(weights)
        with torch.no_grad():
            logits.append(base(ids).logits)
    assert torch.equal(*logits)
