"""Parameters are counted once each, packed ones with their elements."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from doubles import tiny_bases
from tunegrid.models.parameters import count, linear_modules


def test_trainable_and_all() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2, bias=False))
    model[0].weight.requires_grad_(False)
    counts = count(model)
    assert (counts.trainable, counts.total) == (4 + 8, 12 + 4 + 8)


def test_a_shared_parameter_counts_once() -> None:
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False)
    )
    model[1].weight = model[0].weight
    assert count(model).total == 9


def test_a_packed_weight_counts_with_its_elements() -> None:
    packed = torch.nn.Parameter(torch.zeros(6, 1, dtype=torch.uint8), requires_grad=False)
    packed.quant_state = SimpleNamespace(shape=(3, 4))  # type: ignore[attr-defined]
    model = torch.nn.Module()
    model.register_parameter("weight", packed)
    assert count(model).total == 12


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("llama", ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]),
        ("bloom", ["dense", "dense_4h_to_h", "dense_h_to_4h", "query_key_value"]),
    ],
)
def test_linear_modules_without_the_head(kind: str, expected: list[str]) -> None:
    assert linear_modules(tiny_bases.base(kind)) == expected
