"""Slopes, positions and masks of attention with linear biases."""

from __future__ import annotations

import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from tunegrid.models.architectures import alibi


@pytest.mark.parametrize("heads", [1, 2, 8, 10, 12, 32, 40, 112])
def test_biases_are_those_of_bloom_for_every_number_of_heads(heads):
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    expected = build_alibi_tensor(mask, heads, torch.float32).view(2, heads, 5)
    found = alibi.biases(heads, alibi.key_positions(mask))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_eight_heads_have_the_slopes_of_the_paper():
    expected = torch.tensor([0.5**n for n in range(1, 9)])
    torch.testing.assert_close(alibi.slopes(8), expected)


def test_positions_are_counted_inside_each_example():
    padded = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]])
    assert alibi.key_positions(padded).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 0, 0]]
    blocks = torch.block_diag(torch.ones(2, 2).tril(), torch.ones(3, 3).tril()).bool()
    for mask in (blocks, torch.zeros(5, 5).masked_fill(~blocks, -1e30)):
        assert alibi.key_positions(mask[None, None]).tolist() == [[0, 1, 0, 1, 2]]


def test_a_mask_holds_biases_and_what_is_hidden():
    visible = torch.ones(3, 3).tril().bool()[None, None]
    found = alibi.biased_mask(visible, alibi.biases(2, torch.arange(3)[None]), torch.float16)
    assert found.shape == (1, 2, 3, 3)
    smallest = torch.finfo(torch.float16).min
    assert found[0, 0].tolist() == [
        [0, smallest, smallest],
        [0, 1 / 16, smallest],
        [0, 1 / 16, 1 / 8],
    ]
