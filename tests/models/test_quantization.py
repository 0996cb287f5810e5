from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch

from doubles import tiny_bases
from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import QuantizationConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.quantization import bitsandbytes_config, problems

QUANTIZED = [Precision.int8, Precision.nf4]


def settings(precision: Precision, **options) -> QuantizationConfig:
    return dataclasses.replace(
        QuantizationConfig(name=precision.value, precision=precision), **options
    )


@pytest.fixture(scope="module", params=tiny_bases.KINDS)
def saved(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("base")
    return tiny_bases.save(request.param, root), root


def loaded(saved, quantization: QuantizationConfig):
    model, root = saved
    return load(model, quantization, root=root, device=Device.cpu)[0]


def logits(model) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return model(input_ids=torch.arange(3, 43)[None]).logits


@pytest.mark.parametrize("precision", QUANTIZED)
def test_quantized_weights_are_packed_and_answer_nearly_the_same(precision, saved):
    plain = logits(loaded(saved, settings(Precision.fp32)))
    model = loaded(saved, settings(precision))
    kinds = {type(module).__name__ for module in model.modules()}
    assert ("Linear8bitLt" if precision is Precision.int8 else "Linear4bit") in kinds
    error = (logits(model) - plain).norm() / plain.norm()
    assert 0 < error < 0.35


@pytest.mark.parametrize("precision", [Precision.fp32, *QUANTIZED])
def test_an_evaluation_between_steps_changes_no_gradient(precision, saved):
    model, _ = saved
    method = tiny_bases.lora(loaded(saved, settings(precision)), model.architecture)

    def gradient() -> torch.Tensor:
        method.model.train()
        method.model.zero_grad()
        ids = torch.arange(3, 43)[None]
        method.model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        found = [p.grad for p in method.model.parameters() if p.requires_grad]
        assert found
        assert all(g is not None for g in found)
        return torch.cat([g.flatten() for g in found])

    before = gradient()
    assert before.norm() > 1e-3
    first = logits(method.model)
    assert torch.equal(gradient(), before)
    assert torch.equal(logits(method.model), first)


def test_the_weights_are_never_repacked_whatever_the_cpu(saved):
    model = loaded(saved, settings(Precision.nf4))
    layers = [m for m in model.modules() if type(m).__name__ == "Linear4bit"]
    assert layers
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)


def test_the_settings_reach_bitsandbytes():
    assert bitsandbytes_config(settings(Precision.bf16, dtype=Dtype.bfloat16)) is None
    int8 = bitsandbytes_config(settings(Precision.int8, int8_threshold=4.5))
    assert (int8.load_in_8bit, int8.llm_int8_threshold) == (True, 4.5)
    nf4 = bitsandbytes_config(
        settings(Precision.nf4, dtype=Dtype.bfloat16, double_quantization=False)
    )
    assert (nf4.load_in_4bit, nf4.bnb_4bit_quant_type) == (True, "nf4")
    assert nf4.bnb_4bit_compute_dtype is torch.bfloat16
    assert nf4.bnb_4bit_use_double_quant is False


def test_what_cannot_be_is_refused(saved):
    [problem] = problems(settings(Precision.bf16), "cpu")
    assert "'bfloat16'" in problem
    assert problems(settings(Precision.fp16, dtype=Dtype.float16), "cpu") == []
    assert "at least 0" in problems(settings(Precision.int8, int8_threshold=-1.0), "cpu")[0]
    with pytest.raises(ConfigError, match=r"quantization\.dtype"):
        loaded(saved, settings(Precision.fp16))


def test_problems_are_found_without_torch():
    code = (
        "import sys; from tunegrid.models.quantization import problems; "
        "from tunegrid.config.schema import QuantizationConfig; "
        "problems(QuantizationConfig(), 'cpu'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
