"""ChatGLM2 computes what its original code computes, and what Glm computes at other sizes."""

from __future__ import annotations

import pytest
import torch
from transformers import GlmConfig, GlmForCausalLM

from doubles import golden_bases

pytestmark = pytest.mark.parametrize("kernel", golden_bases.KERNELS)


def test_logits(kernel):
    golden_bases.check_plain("chatglm2", kernel)


def test_left_padding(kernel):
    golden_bases.check_left_padding("chatglm2", kernel)


def test_loss_and_gradients(kernel):
    golden_bases.check_training("chatglm2", kernel)


def test_answers_with_a_cache(kernel):
    golden_bases.check_generation("chatglm2", kernel, mask="left_mask")


def test_a_long_text(kernel):
    golden_bases.check_long_text("chatglm2", kernel, seq_length=4096)


PLACES = {
    "transformer.embedding.word_embeddings": "model.embed_tokens",
    "transformer.encoder.layers": "model.layers",
    "transformer.encoder.final_layernorm": "model.norm",
    "transformer.output_layer": "lm_head",
    "self_attention.dense": "self_attn.o_proj",
    "mlp.dense_h_to_4h": "mlp.gate_up_proj",
    "mlp.dense_4h_to_h": "mlp.down_proj",
}


@pytest.mark.parametrize(("heads", "groups", "layers"), [(4, 4, 1), (6, 2, 2), (8, 1, 4)])
def test_other_sizes_are_glm(kernel, heads, groups, layers):
    sizes = {"num_attention_heads": heads, "hidden_size": 16 * heads}
    own = golden_bases.config("chatglm2", multi_query_group_num=groups, num_layers=layers, **sizes)
    weights = golden_bases.weights(own, seed=heads)
    split = {}
    for key, value in weights.items():
        for old, new in PLACES.items():
            key = key.replace(old, new)
        if "query_key_value" in key:
            parts = value.split([16 * heads, 16 * groups, 16 * groups])
            for letter, part in zip("qkv", parts, strict=True):
                place = f"self_attn.{letter}_proj"
                split[key.replace("self_attention.query_key_value", place)] = part
        else:
            split[key] = value
    glm = GlmConfig(
        vocab_size=160, intermediate_size=192, num_hidden_layers=layers, head_dim=16,
        num_key_value_heads=groups, rms_norm_eps=1e-5, pad_token_id=0, eos_token_id=2, **sizes,
    )  # fmt: skip
    ids = torch.randint(3, 160, (2, 30), generator=torch.Generator().manual_seed(heads))
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    found = []
    for settings, kind, content, chosen in (
        (own, golden_bases.model_class(own), weights, kernel),
        (glm, GlmForCausalLM, split, "eager"),
    ):
        base = kind._from_config(settings, attn_implementation=chosen).eval()
        base.load_state_dict(content)
        with torch.no_grad():
            found.append(base(ids, attention_mask=mask).logits[mask.bool()])
    assert found[1].std() > 1
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


def test_the_head_is_known_as_the_head(kernel):
    from tunegrid.models.parameters import linear_modules

    base = golden_bases.model("chatglm2", kernel)
    assert base.get_output_embeddings() is base.transformer.output_layer
    expected = ["dense", "dense_4h_to_h", "dense_h_to_4h", "query_key_value"]
    assert linear_modules(base) == expected
