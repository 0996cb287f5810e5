"""An 8-bit base answers by row while it is asked, and as before afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from doubles import tiny_bases
from tunegrid.config.choices import Device, Precision
from tunegrid.config.schema import QuantizationConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.inference.int8 import dequantized, int8_layers


def quantized(kind: str, precision: str, root: Path) -> Any:
    settings = QuantizationConfig(name=precision, precision=Precision(precision))
    return load(tiny_bases.save(kind, root), settings, root=root, device=Device.cpu)[0]


def test_an_8_bit_base_answers_by_row_while_it_is_asked_and_as_before_afterwards(
    tmp_path: Path,
) -> None:
    """Outliers make LLM.int8 compute a batch together: its logits move with the neighbours."""
    model = quantized("llama", "int8", tmp_path)
    for layer in int8_layers(model):
        layer.state.threshold = 0.5
    ids = torch.tensor([[5, 9, 20, 33], [7, 80, 200, 3], [250, 2, 90, 11]])
    with torch.no_grad():
        apart = (model(ids).logits[:1] - model(ids[:1]).logits).abs().max()
        with dequantized(model):
            exact = model(ids).logits
            assert torch.allclose(exact[:1], model(ids[:1]).logits, atol=1e-5)
        again = (model(ids).logits[:1] - model(ids[:1]).logits).abs().max()
        model.train()
        # On a CPU training multiplies with dequantized weights too.
        assert torch.allclose(model(ids).logits, exact, atol=1e-3)
    assert apart > 1e-3
    assert again == apart
