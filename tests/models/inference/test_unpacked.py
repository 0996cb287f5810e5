"""Packed weights turned back once: bytes that move at each step, and what is left afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from doubles import tiny_bases
from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.schema import QuantizationConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.bases.packed import layers
from tunegrid.models.inference import unpacked
from tunegrid.models.inference.generation import answering
from tunegrid.models.inference.unpacked import held_unpacked

VIEWS = ("view", "t", "transpose", "permute", "expand", "slice", "select", "unsqueeze", "squeeze",
         "reshape", "_unsafe_view", "detach", "alias", "split", "unbind")  # fmt: skip


class Bytes(TorchDispatchMode):
    """Counts what operations read and write; those that only look at a tensor move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ not in VIEWS:
            for one in torch.utils._pytree.tree_leaves((args, kwargs, found)):
                if isinstance(one, torch.Tensor):
                    self.moved += one.numel() * one.element_size()
        return found


def loaded(precision: str, root: Path, kind: str = "llama") -> Any:
    settings = QuantizationConfig(
        name=precision, precision=Precision(precision), dtype=Dtype.bfloat16
    )
    return load(tiny_bases.save(kind, root), settings, root=root, device=Device.cpu)[0]


def step_bytes(model: Any) -> int:
    ids = torch.arange(3, 19)[None]
    with torch.no_grad(), answering(model):
        cache = model(input_ids=ids, use_cache=True).past_key_values
        counter = Bytes()
        with counter:
            model(input_ids=torch.tensor([[7]]), past_key_values=cache, use_cache=True)
    return counter.moved


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_a_step_moves_the_bytes_of_a_16_bit_copy(
    precision: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = step_bytes(loaded("bf16", tmp_path, kind))
    model = loaded(precision, tmp_path, kind)
    assert step_bytes(model) <= 1.2 * plain
    if precision == "nf4":
        return
    # Without room for the copy each step makes it anew.
    monkeypatch.setattr(unpacked, "free_bytes", lambda device: 1000)
    assert step_bytes(model) > 1.5 * plain


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_the_answers_are_the_same_with_and_without_the_copy(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, ids = loaded(precision, tmp_path), torch.arange(3, 19)[None]
    with torch.no_grad(), answering(model):
        with_copy = model(ids).logits
    monkeypatch.setattr(unpacked, "free_bytes", lambda device: 0)
    with torch.no_grad(), answering(model):
        assert torch.equal(model(ids).logits, with_copy)


def test_the_copy_goes_when_the_answers_are_there_and_when_they_fail(tmp_path: Path) -> None:
    model = loaded("int8", tmp_path)

    def fail() -> None:
        with held_unpacked(model) as holds:
            assert holds
            assert all(hasattr(one, "held") for one in layers(model))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not any("held" in vars(one) for one in layers(model))


def test_a_plain_base_holds_nothing_twice() -> None:
    with held_unpacked(tiny_bases.base("llama")) as holds:
        assert not holds
