"""What a model computes in: the table of docs/gpu.md, for methods, precisions, both miniatures."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from doubles import tiny_bases
from doubles.tiny_methods import config
from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.project import project_directory
from tunegrid.config.schema import ModelConfig, QuantizationConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.compute import (
    UncastLayerNorm,
    compute_dtype,
    computing,
    convert,
    hold_trained_in_32_bit,
    prepare,
)
from tunegrid.models.inference.generation import answering
from tunegrid.models.methods.attach import attach
from tunegrid.models.methods.compatibility import reason_against

METHODS = ("lora", "full", "ln_tuning", "adalora", "prefix_tuning", "houlsby")
DTYPES = {
    "fp32": Dtype.float32,
    "bf16": Dtype.bfloat16,
    "fp16": Dtype.float16,
    "int8": Dtype.bfloat16,
    "nf4": Dtype.bfloat16,
}


MINIATURES = project_directory() / "assets" / "miniature"


def loaded(kind: str, precision: str) -> Any:
    settings = QuantizationConfig(
        name=precision, precision=Precision(precision), dtype=DTYPES[precision]
    )
    model = ModelConfig(name=kind, path=kind, architecture=kind)
    return load(model, settings, root=MINIATURES, device=Device.cpu)[0]


def table() -> dict[str, dict[str, str]]:
    """The table of docs/gpu.md: by precision, what has which type."""
    text = (project_directory() / "docs" / "gpu.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\|(.+)\|$", text, flags=re.MULTILINE)
    rows = [[cell.strip().strip("`") for cell in line.split("|")] for line in lines]
    head = next(i for i, row in enumerate(rows) if row[0] == "quantization")
    return {
        row[0]: dict(zip(rows[head][1:], row[1:], strict=True))
        for row in rows[head + 2 : head + 2 + len(DTYPES)]
    }


class Seen:
    """The types that pass through a model."""

    def __init__(self, model: Any) -> None:
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        layers = base.config.num_hidden_layers
        blocks = next(
            m for m in base.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == layers
        )
        self.found: dict[str, set[torch.dtype]] = {"stream": set(), "attention": set()}
        for block in blocks:
            block.register_forward_hook(self.note("stream"))
            inner = getattr(block, "self_attn", None) or block.self_attention
            inner.register_forward_hook(self.note("attention"))

    def note(self, what: str) -> Callable[..., None]:
        def hook(module: Any, arguments: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            self.found[what].add(first.dtype)

        return hook


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("method", METHODS)
def test_the_types_are_those_of_the_table(method: str, precision: str, kind: str) -> None:
    cell = config(method, kind, Precision(precision))
    if reason_against(cell.peft, Precision(precision), kind) is not None:
        assert (method, precision) in {("full", "int8"), ("full", "nf4")}
        return
    model = attach(cell.peft, loaded(kind, precision), 10).model
    expected = {name: getattr(torch, value) for name, value in table()[precision].items()}
    seen = Seen(model)
    ids = torch.arange(3, 23)[None]
    model.train()
    with computing(model):
        logits = model(input_ids=ids, use_cache=False).logits
    assert seen.found["stream"] == {expected["stream"]}
    assert seen.found["attention"] == {expected["attention"]}
    assert logits.dtype is expected["head"]
    logits.float().sum().backward()
    trained = {p.dtype for p in model.parameters() if p.requires_grad}
    assert trained == {expected["trained weights"]}
    assert {p.grad.dtype for p in model.parameters() if p.grad is not None} == {torch.float32}
    with torch.no_grad(), answering(model):
        cache = model(input_ids=ids, use_cache=True).past_key_values
    held = {states.dtype for layer in cache.layers for states in (layer.keys, layer.values)}
    assert held == {expected["cache"]}


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4"])
def test_an_untuned_base_answers_in_the_types_of_a_tuned_one(precision: str, kind: str) -> None:
    """Two rows of one table: what differs is the adapter, which is nothing at its start."""
    ids = torch.arange(3, 23)[None]
    found = []
    for tuned in (False, True):
        model = loaded(kind, precision)
        if tuned:
            model = attach(config("lora", kind, Precision(precision)).peft, model, 10).model
        with torch.no_grad(), answering(model):
            output = model(input_ids=ids, use_cache=True)
        found.append((output.logits, output.past_key_values.layers[0].keys))
    assert found[0][1].dtype is found[1][1].dtype is torch.bfloat16
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_a_norm_under_autocast_keeps_its_type_and_its_numbers() -> None:
    plain = torch.nn.LayerNorm(16)
    torch.nn.init.normal_(plain.weight)
    x = torch.randn(4, 16).bfloat16()
    expected = plain(x.float()).bfloat16()
    plain.__class__ = UncastLayerNorm
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(plain(x), expected)
        assert torch.allclose(plain.bfloat16()(x), expected, atol=0.05)


def test_a_model_that_was_not_prepared_computes_in_the_type_of_its_weights() -> None:
    model = tiny_bases.base("llama").to(torch.bfloat16)
    assert compute_dtype(model) is torch.bfloat16
    with computing(model):
        assert torch.is_autocast_enabled("cpu")
    with computing(model.float()):
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_a_converted_base_computes_as_one_that_was_loaded_so(kind: str) -> None:
    """Merging turns a base to 32 bit: nothing of its 16 bit may stay in it."""
    ids = torch.arange(3, 23)[None]
    model = tiny_bases.base(kind).to(torch.bfloat16).eval()
    prepare(model, torch.bfloat16)
    plain = tiny_bases.base(kind).to(torch.bfloat16).float().eval()
    converted = convert(model, torch.float32)
    with torch.no_grad(), computing(converted):
        assert torch.equal(converted(ids).logits, plain(ids).logits)


def test_trained_weights_alone_are_turned_to_32_bit() -> None:
    model = tiny_bases.base("llama").to(torch.bfloat16)
    model.requires_grad_(False)
    model.model.norm.requires_grad_(True)
    hold_trained_in_32_bit(model)
    assert {name for name, p in model.named_parameters() if p.dtype is torch.float32} == {
        "model.norm.weight"
    }
