"""Which share of the trained weights has moved."""

from __future__ import annotations

import torch

from doubles import tiny_bases
from tunegrid.training.movement import SAMPLE, sample


def test_the_share_of_changed_weights_counts_by_size_and_leaves_embeddings_out() -> None:
    model = tiny_bases.base("llama", tie_word_embeddings=False)
    before = sample(model)
    assert before.changed_share(model) == 0.0
    with torch.no_grad():
        model.model.embed_tokens.weight.add_(1.0)
        assert before.changed_share(model) == 0.0
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert before.changed_share(model) == 1.0
    model.requires_grad_(False)
    assert sample(model).changed_share(model) is None


def test_a_large_tensor_is_sampled_over_all_of_it() -> None:
    model = tiny_bases.base("llama")
    before = sample(model)
    name = "model.layers.0.mlp.gate_proj.weight"
    weight = dict(model.named_parameters())[name]
    assert weight.numel() > SAMPLE
    assert len(before.values[name]) <= SAMPLE
    with torch.no_grad():
        weight[: len(weight) // 2] += 1.0
    total = sum(p.numel() for n, p in model.named_parameters() if n in before.values)
    share = before.changed_share(model)
    assert share is not None
    assert abs(share - weight.numel() / 2 / total) < 0.01
