"""Learning rates and optimizers that belong to a method."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from doubles import tiny_methods
from tunegrid.config.choices import Precision, Schedule
from tunegrid.config.errors import ConfigError
from tunegrid.models.methods import lora_plus
from tunegrid.training.trainer import StepTrainer


def test_the_second_matrix_of_lora_plus_learns_faster(tmp_path, monkeypatch):
    groups = []
    create = StepTrainer.create_optimizer

    def watched(self, model=None):
        optimizer = create(self, model)
        names = {p: n for n, p in self.model.named_parameters()}
        groups.append([(g["lr"], {names[p] for p in g["params"]}) for g in optimizer.param_groups])
        return optimizer

    monkeypatch.setattr(StepTrainer, "create_optimizer", watched)
    method = tiny_methods.attached(tiny_methods.config("lora_plus", "llama"))
    records = []
    tiny_methods.trained(method, "llama", tmp_path, on_record=records.append)
    rate = tiny_methods.SETTINGS.learning_rate
    by_rate = {round(lr, 9): names for lr, names in groups[-1]}
    assert set(by_rate) == {rate, round(16 * rate, 9)}
    assert by_rate[rate]
    assert all("lora_A" in name for name in by_rate[rate])
    assert all("lora_B" in name for name in by_rate[round(16 * rate, 9)])
    assert records[0]["learning_rate"] == rate, "what is logged is the rate that was set"


def test_a_ratio_of_one_is_lora(tmp_path):
    weights = []
    for name, options in (("lora", {}), ("lora_plus", {"ratio": 1.0})):
        method = tiny_methods.attached(tiny_methods.config(name, "llama", **options))
        tiny_methods.trained(method, "llama", tmp_path / name)
        weights.append(tiny_methods.trainable(method.model))
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("ratio", [0, -1.0, "16", True])
def test_a_ratio_that_is_no_positive_number_is_refused(ratio):
    assert "ratio is" in lora_plus.problems({"ratio": ratio})[0]
    with pytest.raises(ConfigError, match="ratio is"):
        lora_plus.attach(tiny_methods.base("llama"), ratio=ratio, target_modules=["q_proj"])


@pytest.mark.parametrize("optimizer", ["adamw_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit"])
def test_8_bit_and_paged_optimizers_train_and_continue(optimizer, tmp_path):
    """Tensors of 4,096 weights and more have 8-bit states; the bottlenecks here have 16,384."""
    settings = dataclasses.replace(
        tiny_methods.SETTINGS, optimizer=optimizer, schedule=Schedule.linear
    )

    def method():
        cell = tiny_methods.config("sadapter_p_large", "llama", Precision.nf4)
        return tiny_methods.attached(cell)

    straight = method()
    losses = []
    tiny_methods.trained(
        straight,
        "llama",
        tmp_path / "straight",
        settings=settings,
        on_record=lambda record: losses.append(record["loss"]),
    )
    assert losses[-1] < losses[0]
    continued = method()
    source = tmp_path / "straight"
    # As if killed after the second step: the third checkpoint was never written.
    import shutil

    shutil.rmtree(source / "checkpoint-3")
    resumed = []
    tiny_methods.trained(continued, "llama", source, settings=settings, on_resume=resumed.append)
    assert resumed == [2]
    expected = tiny_methods.trainable(straight.model)
    found = tiny_methods.trainable(continued.model)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
