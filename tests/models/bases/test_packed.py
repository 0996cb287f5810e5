"""Packed layers: the same numbers whatever the batch, and gradients like those of plain weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import linear

from doubles import tiny_bases
from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.schema import QuantizationConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.bases.packed import layers, unpacked

PACKED = ("int8", "nf4")
IDS = torch.tensor([[5, 9, 20, 33], [7, 80, 200, 3], [250, 2, 90, 11]])


def quantized(kind: str, precision: str, root: Path, dtype: Dtype = Dtype.float32) -> Any:
    settings = QuantizationConfig(name=precision, precision=Precision(precision), dtype=dtype)
    return load(tiny_bases.save(kind, root), settings, root=root, device=Device.cpu)[0]


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_a_row_of_an_8_bit_base_does_not_depend_on_its_neighbours(
    kind: str, tmp_path: Path
) -> None:
    """With outliers LLM.int8 computes a batch together: its logits move with the neighbours."""
    from bitsandbytes.nn import Linear8bitLt

    model = quantized(kind, "int8", tmp_path)
    for layer in layers(model):
        layer.state.threshold = 0.5
    with torch.no_grad():
        together = model(IDS).logits
        assert torch.allclose(together[:1], model(IDS[:1]).logits, atol=1e-5)
        model.train()
        # Training and answering are one computation.
        assert torch.equal(model(IDS).logits, together)
        # What bitsandbytes itself would have given.
        model.eval()
        for layer in layers(model):
            layer.forward = Linear8bitLt.forward.__get__(layer)
        apart = (model(IDS).logits[:1] - model(IDS[:1]).logits).abs().max()
    assert apart > 1e-3


@pytest.mark.parametrize("precision", PACKED)
@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_a_layer_equals_one_of_its_unpacked_weights_forwards_and_backwards(
    kind: str, precision: str, tmp_path: Path
) -> None:
    for layer in layers(quantized(kind, precision, tmp_path))[:4]:
        weight = unpacked(layer, torch.float32)
        if layer.bias is not None:
            layer.bias.requires_grad_(True)
        x = torch.randn(2, 3, layer.in_features, requires_grad=True)
        got = layer(x)
        got.square().sum().backward()
        own, x.grad = x.grad, None
        of_bias = None if layer.bias is None else layer.bias.grad
        if layer.bias is not None:
            layer.bias.grad = None
        expected = linear(x, weight, layer.bias)
        expected.square().sum().backward()
        assert torch.allclose(got, expected, atol=1e-5)
        assert own is not None
        assert torch.allclose(own, x.grad, atol=1e-4)
        if of_bias is not None:
            assert torch.allclose(of_bias, layer.bias.grad, atol=1e-4)


def test_8_bit_weights_in_16_bit_are_rounded_once(tmp_path: Path) -> None:
    for layer in layers(quantized("llama", "int8", tmp_path)):
        exact = unpacked(layer, torch.float32)
        assert torch.equal(unpacked(layer, torch.bfloat16), exact.bfloat16())


def test_an_8_bit_layer_keeps_nothing_for_the_backward_pass(tmp_path: Path) -> None:
    layer = layers(quantized("llama", "int8", tmp_path))[0]
    kept: list[torch.Tensor] = []
    x = torch.randn(5, layer.in_features, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        output = layer(x)
    assert kept == []
    held = [value for value in vars(output.grad_fn).values() if isinstance(value, torch.Tensor)]
    assert held == []


def test_a_trained_bias_of_a_4_bit_layer_stays_in_32_bit(tmp_path: Path) -> None:
    """bitsandbytes would round it to the type of the computation, in place."""
    model = quantized("bloom", "nf4", tmp_path, Dtype.bfloat16)
    layer = layers(model)[0]
    layer.bias.data = layer.bias.data.float()
    layer(torch.randn(2, layer.in_features).bfloat16())
    assert layer.bias.dtype is torch.float32


def test_a_plain_base_has_no_packed_layers() -> None:
    assert layers(tiny_bases.base("llama")) == []
