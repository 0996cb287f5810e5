"""LoRA+: the second matrix learns faster."""

from __future__ import annotations

import pytest
import torch

from doubles import tiny_methods
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
    assert weights[0]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("ratio", [0, -1.0, "16", True])
def test_a_ratio_that_is_no_positive_number_is_refused(ratio):
    assert "ratio is" in lora_plus.problems({"ratio": ratio})[0]
    with pytest.raises(ConfigError, match="ratio is"):
        lora_plus.attach(tiny_methods.base("llama"), ratio=ratio, target_modules=["q_proj"])
