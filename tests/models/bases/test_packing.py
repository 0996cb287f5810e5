"""Only architectures that were verified read several examples in one row."""

from __future__ import annotations

import pytest
import torch

from doubles import tiny_bases
from tunegrid.models.bases.packing import allow_block_masks, can_flatten


@pytest.mark.parametrize(
    ("model_type", "expected"), [("llama", True), ("bloom", True), ("gpt2", False), ("", False)]
)
def test_what_was_not_verified_is_not_flattened(model_type: str, expected: bool) -> None:
    assert can_flatten(model_type) is expected


@pytest.mark.parametrize("has_method", [False, True])
def test_two_examples_in_a_row_of_bloom_do_not_see_each_other(has_method: bool) -> None:
    base = tiny_bases.base("bloom")
    model = tiny_bases.lora(base, "bloom").model if has_method else base
    model.eval()
    ids = [torch.arange(3, 10), torch.arange(40, 45)]
    with torch.no_grad():
        apart = [model(input_ids=one[None]).logits[0] for one in ids]
    allow_block_masks(model)
    block = torch.block_diag(*[torch.ones(len(one), len(one)).tril() for one in ids])
    mask = torch.zeros(block.shape).masked_fill(block == 0, torch.finfo(torch.float32).min)
    with torch.no_grad():
        together = model(input_ids=torch.cat(ids)[None], attention_mask=mask[None, None]).logits[0]
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-5, rtol=1e-4)


def test_other_models_keep_their_masks() -> None:
    """It is changed on one instance alone."""
    changed, other = tiny_bases.base("bloom"), tiny_bases.base("bloom")
    allow_block_masks(changed)
    assert "build_alibi_tensor" in vars(changed.transformer)
    assert "build_alibi_tensor" not in vars(other.transformer)
