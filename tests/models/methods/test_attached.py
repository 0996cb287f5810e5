"""An attached method is exported and restored whole, or refused."""

from __future__ import annotations

import json

import pytest
import torch

from doubles import tiny_bases
from tunegrid.config.choices import Device, Precision
from tunegrid.config.errors import StageError
from tunegrid.config.schema import QuantizationConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.methods import library
from tunegrid.models.methods.attached import export, restore

OTHERS = [
    {
        "type": "IA3",
        "target_modules": ["q_proj", "down_proj"],
        "feedforward_modules": ["down_proj"],
    },
    {"type": "PROMPT_TUNING", "num_virtual_tokens": 3},
    {"type": "P_TUNING", "num_virtual_tokens": 3, "encoder_hidden_size": 16},
    {"type": "PREFIX_TUNING", "num_virtual_tokens": 3},
    {"type": "PREFIX_TUNING", "num_virtual_tokens": 3, "prefix_projection": True},
    {"type": "VERA", "target_modules": ["q_proj"], "r": 4},
    {"type": "LORA", "r": 4, "target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
]


@pytest.mark.parametrize("options", OTHERS, ids=lambda o: o["type"])
@pytest.mark.parametrize("precision", [Precision.fp32, Precision.int8, Precision.nf4])
def test_an_exported_method_answers_the_same_when_restored(options, precision, tmp_path):
    settings = tiny_bases.save("llama", tmp_path)
    quantization = QuantizationConfig(name="q", precision=precision, int8_threshold=0.0)

    def fresh(seed: int):
        base, _ = load(settings, quantization, root=tmp_path, device=Device.cpu)
        torch.manual_seed(seed)
        return library.attach(base, **options).model

    def logits(model) -> torch.Tensor:
        ids = torch.arange(3, 23)[None]
        with torch.no_grad():
            return model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits

    trained = fresh(1)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    export(trained, tmp_path / "adapter")
    again = fresh(1 if options["type"] == "VERA" else 2)
    assert (logits(again) - logits(trained)).abs().max() > 1e-4
    restore(again, tmp_path / "adapter")
    assert torch.equal(logits(again), logits(trained))


def test_an_export_is_the_same_bytes_and_holds_no_path(tmp_path):
    method = tiny_bases.lora(tiny_bases.base("llama"), "llama", target_modules="all-linear")
    export(method.model, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    assert settings["target_modules"] == sorted(settings["target_modules"])
    assert list(settings) == sorted(settings)


def test_an_adapter_of_other_settings_is_not_restored(tmp_path):
    export(tiny_bases.lora(tiny_bases.base("llama"), "llama", r=8).model, tmp_path / "wide")
    export(
        tiny_bases.lora(tiny_bases.base("llama"), "llama", target_modules=["k_proj"]).model,
        tmp_path / "elsewhere",
    )
    for name in ("wide", "elsewhere"):
        model = tiny_bases.lora(tiny_bases.base("llama"), "llama").model
        with pytest.raises(StageError, match="does not fit"):
            restore(model, tmp_path / name)
