"""Own weights of the base are trained, as far as they are named."""

from __future__ import annotations

import torch

from doubles import tiny_methods
from tunegrid.models.methods import base_weights


def test_own_weights_train_what_they_say():
    def names(attached) -> set[str]:
        return {n for n, p in attached.model.named_parameters() if p.requires_grad}

    everything = names(base_weights.full(tiny_methods.base("bloom")))
    assert everything == {n for n, _ in tiny_methods.base("bloom").named_parameters()}
    biases = names(base_weights.bitfit(tiny_methods.base("bloom")))
    assert biases == {n for n in everything if n.endswith(".bias")}
    last = names(base_weights.freeze(tiny_methods.base("llama"), last_layers=1))
    assert last == {
        n
        for n, _ in tiny_methods.base("llama").named_parameters()
        if n.startswith(("model.layers.1.", "model.norm."))
    }
    with_head = names(
        base_weights.freeze(tiny_methods.base("llama"), last_layers=1, norm=False, head=True)
    )
    assert "lm_head.weight" in with_head
    assert "model.norm.weight" not in with_head
    assert torch.is_grad_enabled()
