"""Losses and gradients do not depend on the layout, and the short head is the full head."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from doubles import tiny_bases
from tunegrid.config.choices import Device, Layout, Precision
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import QuantizationConfig
from tunegrid.data.tokens import NOT_TRAINED
from tunegrid.models.bases.loading import load
from tunegrid.training.layouts import training_form
from tunegrid.training.loss_head import TrainedHead
from tunegrid.training.microbatches import lay_out

PRECISIONS = [Precision.fp32, Precision.int8, Precision.nf4]


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bases")
    for kind in tiny_bases.KINDS:
        tiny_bases.save(kind, path)
    return path


def attached(kind: str, precision: Precision, root: Path):
    from tunegrid.config.schema import ModelConfig

    model = ModelConfig(name=kind, path=kind, architecture=kind)
    quantization = QuantizationConfig(name=precision.value, precision=precision)
    loaded, _ = load(model, quantization, root=root, device=Device.cpu)
    return tiny_bases.lora(loaded, kind)


def pass_over(method, kind: str, layout: Layout, budget: int) -> tuple[float, torch.Tensor, int]:
    """Return the mean loss, all gradients and the micro-batches of one optimizer step."""
    model = method.model.train()
    examples = tiny_bases.examples(kind).examples
    form = training_form(method, tiny_bases.tokenizer(kind), layout, budget)
    batches = lay_out(examples, form)
    trained = sum(batch.trained_tokens for batch in batches)
    model.zero_grad()
    total = 0.0
    with TrainedHead(model) as head:
        for batch in batches:
            loss = head.loss_sum(model, batch) / trained
            loss.backward()
            total += loss.item()
    return total, gradients(model), len(batches)


def gradients(model) -> torch.Tensor:
    found = [p.grad for p in model.parameters() if p.requires_grad]
    assert found
    assert all(gradient is not None for gradient in found)
    return torch.cat([gradient.flatten() for gradient in found])


def by_the_library(method, kind: str) -> tuple[float, torch.Tensor]:
    """The same step with one example a pass, labels and the full head of transformers."""
    model = method.model.train()
    examples = tiny_bases.examples(kind).examples
    trained = sum(example.trained_tokens for example in examples)
    model.zero_grad()
    total = 0.0
    for example in examples:
        logits = model(input_ids=torch.tensor([example.ids]), use_cache=False).logits
        labels = torch.tensor(example.labels[1:])
        loss = functional.cross_entropy(
            logits[0, :-1].float(), labels, reduction="sum", ignore_index=NOT_TRAINED
        )
        (loss / trained).backward()
        total += loss.item() / trained
    return total, gradients(model)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_layouts_agree_with_one_example_at_a_time(kind, precision, root):
    method = attached(kind, precision, root)
    expected_loss, expected = by_the_library(method, kind)
    assert expected.norm() > 0.01
    for layout, least in [(Layout.padded, 4), (Layout.sorted, 4), (Layout.flattened, 3)]:
        loss, found, batches = pass_over(method, kind, layout, budget=120)
        assert batches >= least
        assert loss == pytest.approx(expected_loss, abs=1e-5)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_a_cache_of_keys_left_on_does_not_mix_up_flattened_examples(kind):
    model = tiny_bases.base(kind, use_cache=True)
    method = tiny_bases.lora(model, kind)
    expected, _, _ = pass_over(method, kind, Layout.padded, budget=120)
    loss, _, _ = pass_over(method, kind, Layout.flattened, budget=120)
    assert loss == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_half_precision_flattens_too(kind):
    method = tiny_bases.lora(tiny_bases.base(kind).to(torch.bfloat16), kind)
    expected, _, _ = pass_over(method, kind, Layout.padded, budget=120)
    loss, found, _ = pass_over(method, kind, Layout.flattened, budget=120)
    assert loss == pytest.approx(expected, abs=0.02)
    assert torch.isfinite(found).all()


def test_methods_with_tokens_in_front_are_never_flattened():
    from tunegrid.models.methods import library

    method = library.attach(tiny_bases.base("llama"), type="PROMPT_TUNING", num_virtual_tokens=3)
    tokenizer = tiny_bases.tokenizer("llama")
    with pytest.raises(ConfigError, match="flattened"):
        training_form(method, tokenizer, Layout.flattened, 100)
    assert training_form(method, tokenizer, Layout.auto, 100).layout is Layout.sorted


def test_an_architecture_that_was_not_verified_is_not_flattened():
    method = tiny_bases.lora(tiny_bases.base("llama"), "llama")
    method.model.config.model_type = "mamba"
    with pytest.raises(ConfigError, match="verified for 'mamba'"):
        training_form(method, tiny_bases.tokenizer("llama"), Layout.flattened, 100)
