"""Contexts, positions and masks of ChatGLM-6B are those of its original code."""

from __future__ import annotations

import pytest
import torch

from doubles import golden_bases
from tunegrid.config.errors import DataError
from tunegrid.models.architectures.chatglm.context import Tokens, read, visible_from_cache

TOKENS = Tokens(gmask=151, mask=150, bos=154)


@pytest.mark.parametrize("case", ["ctx", "mask", "left", "sft"])
def test_positions_and_masks_are_the_originals(case):
    golden = golden_bases.arrays("chatglm1")
    real = golden.get(f"{case}_real")
    found = read(golden[f"{case}_ids"], TOKENS, real, None)
    own = torch.ones_like(golden[f"{case}_ids"]).bool() if real is None else real.bool()
    for row, kept in enumerate(own):
        expected = golden[f"{case}_position_ids"][row][:, kept]
        assert torch.equal(found.positions[row][:, kept], expected)
        hidden = golden[f"{case}_mask"][row, 0][kept][:, kept]
        assert torch.equal(~found.visible[row, 0][kept][:, kept], hidden)
        assert not found.visible[row, 0][:, ~kept].any()


def test_each_of_several_examples_has_its_own_context():
    examples = [[10, 11, 151, 154, 20, 21, 155], [12, 150, 13, 154, 22], [151, 154, 23, 24]]
    ids = torch.tensor([[token for one in examples for token in one]])
    index = torch.tensor([[place for one in examples for place in range(len(one))]])
    found = read(ids, TOKENS, None, index)
    start = 0
    for one in examples:
        alone = read(torch.tensor([one]), TOKENS, None, None)
        own = slice(start, start + len(one))
        assert torch.equal(found.positions[:, :, own], alone.positions)
        assert torch.equal(found.visible[:, :, own, own], alone.visible)
        start += len(one)
    sizes = [len(one) for one in examples]
    blocks = torch.block_diag(*[torch.ones(size, size) for size in sizes]).bool()
    assert not found.visible[0, 0][~blocks].any()


@pytest.mark.parametrize("ids", [[10, 11, 12], [10, 154, 12], [10, 151, 12]])
def test_an_example_without_its_border_is_refused(ids):
    whole = [10, 151, 154, 9, 9]
    with pytest.raises(DataError, match=r"row 1 .* its own tokenizer"):
        read(torch.tensor([whole, [*ids, 9, 9]]), TOKENS, None, None)


def test_what_follows_a_cache_is_causal():
    mask = torch.tensor([[0, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
    found = visible_from_cache(2, 5, mask, torch.device("cpu"))
    assert found[0, 0].long().tolist() == [[0, 1, 1, 1, 0], [0, 1, 1, 1, 1]]
    assert found[1, 0].long().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0]]
