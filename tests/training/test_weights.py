"""A checkpoint holds the trainable weights, exactly and alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from doubles import tiny_bases, tiny_methods
from tunegrid.config.errors import StageError
from tunegrid.training.weights import load_trainable, save_trainable


def method(**options: object) -> torch.nn.Module:
    model: torch.nn.Module = tiny_bases.lora(tiny_bases.base("llama"), "llama", **options).model
    return model


def test_trainable_weights_come_back_exactly_and_the_base_is_not_repeated(tmp_path: Path) -> None:
    trained = method()
    path = tmp_path / "new" / "weights.safetensors"
    save_trainable(trained, path)
    expected = tiny_methods.trainable(trained)
    assert load_file(path).keys() == expected.keys()
    assert expected
    fresh = method(awake=False)
    before = {n: p.clone() for n, p in fresh.named_parameters() if not p.requires_grad}
    load_trainable(fresh, path)
    for name, weight in tiny_methods.trainable(fresh).items():
        assert torch.equal(weight, expected[name]), name
    after = dict(fresh.named_parameters())
    assert before
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_weights_of_another_method_are_refused_and_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_trainable(method(target_modules=["q_proj"]), path)
    other = method()
    before = tiny_methods.trainable(other)
    with pytest.raises(StageError, match=r"does not fit.*remove the checkpoint"):
        load_trainable(other, path)
    for name, weight in tiny_methods.trainable(other).items():
        assert torch.equal(weight, before[name])
