"""Methods of the peft library: what they accept, and what is trained once they are attached."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch

from doubles import tiny_bases
from tunegrid.config.choices import Device, Precision
from tunegrid.config.errors import ConfigError
from tunegrid.config.functions import check_options
from tunegrid.config.schema import QuantizationConfig
from tunegrid.models.bases.loading import load
from tunegrid.models.methods import library
from tunegrid.models.methods.library import problems
from tunegrid.models.methods.peft_source import method_fields, method_names
from tunegrid.models.parameters import count, linear_modules

LORA = {"type": "LORA", "r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "target_modules": ["q"]}


def test_sound_options_have_no_problems():
    assert problems(LORA) == []
    assert check_options("peft", "library.attach", LORA, supplied=["model"]) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "type is missing"),
        ({"type": "lore"}, "did you mean 'LORA'"),
        (LORA | {"lora_alfa": 3}, "did you mean 'lora_alpha'"),
        (LORA | {"task_type": "CAUSAL_LM"}, "task_type is no option"),
        (LORA | {"r": 0}, "r is 0"),
        (LORA | {"r": 8.0}, "r is 8.0"),
        (LORA | {"r": True}, "r is True"),
        (LORA | {"lora_alpha": 0}, "lora_alpha is 0"),
        (LORA | {"lora_dropout": 1.0}, "lora_dropout is 1.0"),
        (LORA | {"lora_dropout": None}, "lora_dropout is None"),
        (LORA | {"target_modules": []}, "target_modules is empty"),
        ({"type": "PROMPT_TUNING", "num_virtual_tokens": 0}, "num_virtual_tokens is 0"),
    ],
)
def test_each_problem_is_said(options, said):
    [problem] = problems(options)
    assert said in problem


def test_problems_are_found_without_peft_or_torch():
    code = (
        "import sys; from tunegrid.models.methods.library import problems; "
        f"assert problems({LORA!r}) == []; assert problems({LORA | {'x': 1}!r}); "
        "assert not {'peft', 'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_source_says_what_peft_itself_says():
    from peft import PeftType
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    # Once it is imported, our own tuner is there as well.
    found = {kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING} - {"BOTTLENECK"}
    assert set(method_names()) == found
    for name in method_names():
        config = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(name)]
        accepted = {field.name for field in dataclasses.fields(config) if field.init}
        assert set(method_fields(name)) == accepted, name


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_only_the_method_is_trainable(kind):
    base = tiny_bases.base(kind)
    total = sum(p.numel() for p in base.parameters())
    method = tiny_bases.lora(base, kind)
    assert method.may_flatten
    outputs = 64 * 3 if kind == "bloom" else 64
    expected = 2 * len(tiny_bases.TARGETS[kind]) * 4 * (64 + outputs)
    assert count(method.model).trainable == expected
    assert count(method.model).total == total + expected


@pytest.mark.parametrize("precision", [Precision.int8, Precision.nf4])
def test_packed_weights_count_with_their_elements(precision, tmp_path):
    settings = tiny_bases.save("bloom", tmp_path)
    quantization = QuantizationConfig(name="packed", precision=precision)
    base, _ = load(settings, quantization, root=tmp_path, device=Device.cpu)
    plain = tiny_bases.base("bloom")
    assert count(base).total == sum(p.numel() for p in plain.parameters())
    assert linear_modules(base) == linear_modules(plain)


def test_a_target_that_does_not_exist_is_refused_beside_one_that_does():
    with pytest.raises(ConfigError, match=r"'W_pack'.*down_proj, gate_proj, k_proj"):
        tiny_bases.lora(tiny_bases.base("llama"), "llama", target_modules=["q_proj", "W_pack"])
    with pytest.raises(ConfigError, match=r"'\.\*\\\\\.nothing'"):
        tiny_bases.lora(tiny_bases.base("llama"), "llama", target_modules=r".*\.nothing")


def test_all_linear_and_patterns_are_targets_too():
    everything = tiny_bases.lora(tiny_bases.base("llama"), "llama", target_modules="all-linear")
    names = {
        name.split(".lora_A")[0].rpartition(".")[2]
        for name, _ in everything.model.named_parameters()
        if "lora_A" in name
    }
    assert names == set(linear_modules(tiny_bases.base("llama")))
    one = tiny_bases.lora(
        tiny_bases.base("llama"), "llama", target_modules=r"model\.layers\.0\..*\.q_proj"
    )
    assert sum("lora_A" in name for name, _ in one.model.named_parameters()) == 1


def test_what_peft_refuses_is_a_config_error():
    with pytest.raises(ConfigError, match="peft refuses the method LORA"):
        tiny_bases.lora(tiny_bases.base("llama"), "llama", use_dora=True, bias="some")


def test_the_first_weights_depend_on_the_seed_alone():
    one, two = (tiny_bases.lora(tiny_bases.base("llama"), "llama", awake=False) for _ in range(2))
    other = torch.manual_seed(9) and library.attach(
        tiny_bases.base("llama"), type="LORA", target_modules=["q_proj", "v_proj"], r=4
    )
    weights = [
        torch.cat([p.flatten() for n, p in m.model.named_parameters() if "lora_A" in n])
        for m in (one, two, other)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
