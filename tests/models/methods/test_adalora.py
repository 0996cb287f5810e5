"""AdaLoRA: pruned in time, its penalty in the gradient once and in no loss, continued exactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.adalora.model import AdaLoraModel

from doubles import tiny_bases, tiny_methods
from tunegrid.config.choices import Dtype, Precision
from tunegrid.config.errors import ConfigError
from tunegrid.models.methods import adalora
from tunegrid.models.methods.adalora import penalty, problems
from tunegrid.models.methods.attached import Attached, export, restore
from tunegrid.training.report import Interrupted

OPTIONS = {
    "init_r": 4,
    "target_r": 2,
    "lora_dropout": 0.0,
    "initial_share": 0.0,
    "final_share": 0.25,
    "prune_every_steps": 1,
}
STEPS = 8
SETTINGS = dataclasses.replace(tiny_methods.SETTINGS, max_steps=STEPS)


def method(steps: int = STEPS, **options: Any) -> Attached:
    return tiny_methods.attached(
        tiny_methods.config("adalora", "llama", **OPTIONS | options), steps=steps
    )


def values(model: Any) -> torch.Tensor:
    """All singular values."""
    return torch.cat([p.flatten() for n, p in model.named_parameters() if ".lora_E." in n])


def test_every_optimizer_step_allocates_and_the_budget_is_met(tmp_path, monkeypatch):
    steps = []
    allocate = AdaLoraModel.update_and_allocate

    def watched(self, step):
        steps.append(step)
        allocate(self, step)

    monkeypatch.setattr(AdaLoraModel, "update_and_allocate", watched)
    one = method()
    tiny_methods.trained(one, "llama", tmp_path, settings=SETTINGS, micro_batch_tokens=40)
    assert steps == list(range(STEPS)), "once an optimizer step, however many micro-batches"
    matrices = 2 * len(tiny_bases.TARGETS["llama"])
    assert len(values(one.model)) == 4 * matrices
    assert int((values(one.model) != 0).sum()) == 2 * matrices


def test_the_penalty_is_the_one_of_peft():
    model = method().model
    ids = torch.arange(3, 33)[None]
    with torch.no_grad():
        output = model(input_ids=ids, labels=ids)
        logits = output.logits[:, :-1].flatten(0, 1)
        plain = torch.nn.functional.cross_entropy(logits, ids[0, 1:])
    assert penalty(model) > 0.1
    assert output.loss == pytest.approx(float(plain + penalty(model)), abs=1e-5)


def first_step(directory: Path, weight: float, budget: int) -> tuple[float, float, Any, int]:
    """Loss, validation loss and gradients of one step, and how many micro-batches it had."""
    one = method(orth_reg_weight=weight)
    seen: dict[str, torch.Tensor] = {}
    passes = []
    one.model.get_output_embeddings().register_forward_hook(lambda *_: passes.append(1))

    def after_step(step: int) -> None:
        seen.update({n: p.grad.clone() for n, p in tiny_parameters(one.model).items()})

    settings = dataclasses.replace(
        SETTINGS, max_steps=1, max_gradient_norm=1e9, learning_rate=1e-12, evaluations_per_epoch=1
    )
    report = tiny_methods.trained(
        dataclasses.replace(one, after_step=after_step),
        "llama",
        directory,
        settings=settings,
        micro_batch_tokens=budget,
        validation_set=tiny_bases.examples("llama", 1),
    )
    return report.first_loss, report.validation_losses[1], seen, len(passes) - 1


def tiny_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def test_the_penalty_joins_the_gradient_once_and_no_loss(tmp_path):
    loss, validation, without, _ = first_step(tmp_path / "0", 0.0, 10_000)
    for budget in (10_000, 40):
        found, checked, gradients, passes = first_step(tmp_path / str(budget), 0.5, budget)
        assert (passes > 1) == (budget == 40)
        assert found == pytest.approx(loss, abs=1e-6)
        assert checked == pytest.approx(validation, abs=1e-6)
        fresh = method(orth_reg_weight=0.5)
        penalty(fresh.model).backward()
        for name, parameter in tiny_parameters(fresh.model).items():
            own = torch.zeros(()) if parameter.grad is None else parameter.grad
            assert torch.allclose(gradients[name] - without[name], own, atol=2e-6), name


@pytest.mark.parametrize("precision", [Precision.fp32, Precision.nf4])
def test_the_number_of_ranks_is_never_trained(precision):
    cell = tiny_methods.config("adalora", "llama", precision)
    if precision is Precision.nf4:
        cell.quantization = tiny_methods.quantization(precision, Dtype.bfloat16)
        model = None
    else:
        model = tiny_methods.base("llama").to(torch.bfloat16)
    names = tiny_parameters(tiny_methods.attached(cell, model).model)
    assert names
    assert not any("ranknum" in name for name in names)


def test_an_adapter_in_16_bit_is_not_rounded_when_it_is_read_back(tmp_path):
    cell = tiny_methods.config("adalora", "llama", Precision.nf4)
    cell.quantization = tiny_methods.quantization(Precision.nf4, Dtype.bfloat16)
    one = tiny_methods.attached(cell)
    tiny_methods.trained(one, "llama", tmp_path / "checkpoint")
    export(one.model, tmp_path / "adapter")
    again = tiny_methods.attached(cell, seed=1)
    restore(again.model, tmp_path / "adapter")
    own, read = (tiny_parameters(m.model) for m in (one, again))
    assert {p.dtype for p in own.values()} == {torch.float32}
    for name, parameter in again.model.named_parameters():
        if name in own:
            assert torch.equal(parameter, own[name]), name
    assert torch.equal(tiny_methods.logits(again.model), tiny_methods.logits(one.model))
    assert read is not None


@pytest.mark.parametrize("stopped_at", [3, 7])
def test_a_continued_run_prunes_like_one_that_was_not_stopped(stopped_at, tmp_path):
    straight = method()
    tiny_methods.trained(straight, "llama", tmp_path / "straight", settings=SETTINGS)
    asked = iter(range(1, STEPS))
    with pytest.raises(Interrupted):
        tiny_methods.trained(
            method(),
            "llama",
            tmp_path / "stopped",
            settings=SETTINGS,
            should_stop=lambda: next(asked) == stopped_at,
        )
    continued = method()
    resumed: list[int] = []
    tiny_methods.trained(
        continued, "llama", tmp_path / "stopped", settings=SETTINGS, on_resume=resumed.append
    )
    assert resumed == [stopped_at]
    expected = tiny_parameters(straight.model)
    for name, parameter in tiny_parameters(continued.model).items():
        assert torch.equal(parameter, expected[name]), name
    assert straight.state is not None
    assert continued.state is not None
    states = [one.state.save() for one in (straight, continued) if one.state is not None]
    assert states[0].keys() == states[1].keys()
    assert any(name.startswith("ranks/") for name in states[0])
    assert states[0]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target_r": 4}, "target_r must be 1 to 3"),
        ({"total_step": 9}, "follows from the steps of the run"),
        ({"initial_share": 0.8}, "leaves no step to prune in"),
        ({"final_share": 1.5}, "a share from 0 to below 1"),
        ({"prune_every_steps": 0}, "at least 1"),
        ({"lora_alfa": 1}, "did you mean 'lora_alpha'"),
        ({"init_r": 0}, "init_r is 0"),
    ],
)
def test_wrong_options_are_refused(options, said):
    assert any(said in problem for problem in problems(OPTIONS | options))
    with pytest.raises(ConfigError, match=r"init_r|AdaLoRA|peft\.options"):
        adalora.attach(tiny_methods.base("llama"), steps=8, **OPTIONS | options)


def test_a_single_step_leaves_nothing_to_prune_in():
    with pytest.raises(ConfigError, match="at least 2 optimizer steps"):
        method(steps=1)
