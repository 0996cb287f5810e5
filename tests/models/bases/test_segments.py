"""Examples of one row see themselves alone, and no mask over the row is made."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from doubles import golden_bases, tiny_bases
from tunegrid.models.bases.segments import NAME, attend, borders, supports, use

LENGTHS = (7, 1, 12, 4)


def row() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 320, (1, sum(LENGTHS)))
    return ids, torch.cat([torch.arange(length) for length in LENGTHS])[None]


@pytest.mark.parametrize("heads", [4, 2])
def test_a_row_equals_its_examples_one_by_one(heads: int) -> None:
    model = tiny_bases.base("llama", num_key_value_heads=heads).eval()
    ids, positions = row()
    alone = [model(part).logits for part in ids.split(LENGTHS, dim=1)]
    assert supports(model)
    use(model)
    together = model(ids, position_ids=positions, attention_mask=borders(LENGTHS)).logits
    assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-5)


def test_gradients_are_those_of_the_examples() -> None:
    ids, positions = row()
    found = []
    for together in (False, True):
        model = tiny_bases.base("llama").eval()
        if together:
            use(model)
            logits = model(ids, position_ids=positions, attention_mask=borders(LENGTHS)).logits
        else:
            logits = torch.cat([model(part).logits for part in ids.split(LENGTHS, dim=1)], dim=1)
        logits.square().sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert torch.allclose(found[0], found[1], rtol=1e-3, atol=1e-3)


def test_nothing_of_the_rows_square_is_made() -> None:
    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            found = func(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor) and found.ndim >= 2:
                pair = sorted(found.shape)[-2:]
                if pair[0] == pair[1]:
                    self.size = max(self.size, pair[0])
            return found

    lengths = [8] * 25
    model = tiny_bases.base("llama").eval()
    use(model)
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    ids = torch.full((1, 200), 7)
    with torch.no_grad(), Largest() as seen:
        model(ids, position_ids=positions, attention_mask=borders(lengths))
    assert seen.size < 200


def test_batches_with_padding_are_left_to_the_kernel_of_transformers() -> None:
    model = tiny_bases.base("llama").eval()
    ids = torch.tensor([[2, 2, 5, 9, 11], [8, 3, 40, 90, 7]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    expected = model(ids, attention_mask=mask).logits
    before = use(model)
    assert before != NAME
    assert torch.allclose(model(ids, attention_mask=mask).logits, expected, atol=1e-5)
    assert torch.allclose(model(ids).logits, model(ids, attention_mask=mask * 0 + 1).logits)


def test_dropout_of_the_attention_is_drawn() -> None:
    query = torch.randn(1, 2, sum(LENGTHS), 8)
    module = torch.nn.Module()
    plain, _ = attend(module, query, query, query, borders(LENGTHS))
    dropped, weights = attend(module, query, query, query, borders(LENGTHS), dropout=0.5)
    assert weights is None
    assert plain.shape == (1, sum(LENGTHS), 2, 8)
    assert not torch.allclose(plain, dropped)


@pytest.mark.parametrize("name", ["baichuan7b", "internlm"])
def test_families_of_the_llama_form_read_rows_so_too(name: str) -> None:
    model = copy.deepcopy(golden_bases.model(name, "sdpa"))
    ids, positions = row()
    ids = ids % model.config.vocab_size
    alone = [model(part).logits for part in ids.split(LENGTHS, dim=1)]
    use(model)
    together = model(ids, position_ids=positions, attention_mask=borders(LENGTHS)).logits
    assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-4)
