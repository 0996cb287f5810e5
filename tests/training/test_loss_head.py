"""The head sees trained positions alone, in chunks, and shifts no target."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from doubles import tiny_bases
from tunegrid.config.choices import Layout
from tunegrid.data.tokens import NOT_TRAINED
from tunegrid.training.layouts import training_form
from tunegrid.training.loss_head import TrainedHead
from tunegrid.training.microbatches import lay_out


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


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_chunked_logits_equal_all_at_once(kind):
    method = tiny_bases.lora(tiny_bases.base(kind), kind)
    model = method.model.train()
    form = training_form(method, tiny_bases.tokenizer(kind), Layout.sorted, 2000)
    [batch] = lay_out(tiny_bases.examples(kind).examples, form)
    results = []
    for logits_at_once in (10**9, 320 * 7):
        model.zero_grad()
        with TrainedHead(model, logits_at_once) as head:
            loss = head.loss_sum(model, batch)
            loss.backward()
            assert (head._ends_with_head is True) == (logits_at_once < 10**9)
        results.append((loss.item(), gradients(model)))
    (whole, expected), (chunked, found) = results
    assert chunked == pytest.approx(whole, rel=1e-6)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_logits_that_are_scaled_behind_the_head_are_not_computed_in_chunks():
    method = tiny_bases.lora(tiny_bases.base("llama"), "llama")
    model = method.model.train()
    original = model.get_base_model().forward

    def scaled(*arguments, **options):
        output = original(*arguments, **options)
        output.logits = output.logits / 3
        return output

    model.get_base_model().forward = scaled
    form = training_form(method, tiny_bases.tokenizer("llama"), Layout.sorted, 2000)
    [batch] = lay_out(tiny_bases.examples("llama").examples, form)
    losses = []
    for logits_at_once in (10**9, 320 * 7):
        with TrainedHead(model, logits_at_once) as head:
            losses.append(head.loss_sum(model, batch).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_head_sees_trained_positions_alone_and_is_whole_again_afterwards():
    model = tiny_bases.base("llama").train()
    method = tiny_bases.lora(model, "llama")
    seen: list[int] = []
    form = training_form(method, tiny_bases.tokenizer("llama"), Layout.padded, 2000)
    [batch] = lay_out(tiny_bases.examples("llama").examples, form)
    with TrainedHead(method.model) as head:
        watch = model.lm_head.register_forward_hook(
            lambda module, arguments, output: seen.append(output.shape[1])
        )
        head.loss_sum(method.model, batch)
        watch.remove()
    assert seen == [batch.trained_tokens]
    assert batch.trained_tokens < batch.tokens / 2
    assert method.model(**batch.inputs).logits.shape[:2] == batch.targets.shape


def test_a_batch_without_trained_tokens_has_no_loss_and_a_gradient_of_zero():
    method = tiny_bases.lora(tiny_bases.base("llama"), "llama")
    form = training_form(method, tiny_bases.tokenizer("llama"), Layout.padded, 2000)
    [batch] = lay_out(tiny_bases.examples("llama", 2).examples, form)
    batch.targets.fill_(NOT_TRAINED)
    with TrainedHead(method.model) as head:
        loss = head.loss_sum(method.model, batch)
        loss.backward()
    assert loss.item() == 0
    assert gradients(method.model).abs().max() == 0


@pytest.mark.parametrize("layout", [Layout.padded, Layout.sorted])
@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_tokens_that_a_method_puts_in_front_shift_no_target(kind, layout):
    from tunegrid.models.methods import library

    model = tiny_bases.base(kind)
    method = library.attach(model, type="PROMPT_TUNING", num_virtual_tokens=3)
    assert not method.may_flatten
    expected_loss, expected = by_the_library_behind(method, kind, 3)
    loss, found, _ = pass_over(method, kind, layout, budget=120)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def by_the_library_behind(method, kind: str, in_front: int) -> tuple[float, torch.Tensor]:
    """As `by_the_library`, with so many positions of the method in front."""
    model = method.model.train()
    examples = tiny_bases.examples(kind).examples
    trained = sum(example.trained_tokens for example in examples)
    model.zero_grad()
    total = 0.0
    for example in examples:
        ids = torch.tensor([example.ids])
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        assert logits.shape[1] == len(example.ids) + in_front
        loss = functional.cross_entropy(
            logits[0, in_front:-1], torch.tensor(example.labels[1:]), reduction="sum"
        )
        (loss / trained).backward()
        total += loss.item() / trained
    return total, gradients(model)
