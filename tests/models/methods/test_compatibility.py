"""What goes with what, and what is refused before anything starts, each with what is accepted."""

from __future__ import annotations

import copy

import pytest
import torch

from doubles import golden_bases, tiny_bases, tiny_methods
from tunegrid.cells import preflight
from tunegrid.config.choices import Device, Precision
from tunegrid.config.errors import ConfigError, StageError
from tunegrid.config.schema import PeftConfig
from tunegrid.models.bases import gpu_checks
from tunegrid.models.methods import base_weights, library
from tunegrid.models.methods.attached import export, restore
from tunegrid.models.methods.compatibility import (
    RULES,
    VERIFIED_ON_PACKED,
    kind_of,
    reason_against,
    reason_against_checkpointing,
    reason_not_to_merge,
)
from tunegrid.models.methods.peft_source import method_names

PACKED = (Precision.int8, Precision.nf4)


def of_library(**options: object) -> PeftConfig:
    return PeftConfig(name="it", function="library.attach", options=dict(options))


@pytest.mark.parametrize(
    ("options", "precision", "said"),
    [
        ({"type": "HRA"}, Precision.int8, "takes the packed codes of the weights for weights"),
        ({"type": "deft"}, Precision.int8, "wrong numbers"),
        ({"type": "PEANUT"}, Precision.nf4, "use quantization=fp32 or bf16"),
        ({"type": "LOKR"}, Precision.nf4, "use quantization=int8 or fp32"),
        ({"type": "LORA", "init_lora_weights": "pissa_niter_4"}, Precision.nf4, "decomposes"),
        ({"type": "POLY"}, Precision.int8, "was not verified over packed weights"),
    ],
)
def test_methods_that_go_wrong_on_packed_weights_are_refused(options, precision, said):
    reason = reason_against(of_library(**options), precision, "llama")
    assert reason is not None
    assert said in reason
    assert reason_against(of_library(**options), Precision.fp32, "llama") is None


def test_every_method_of_the_library_is_verified_or_refused_on_packed_weights():
    ruled = {kind for rule in RULES for kind in rule.kinds if set(PACKED) <= set(rule.precisions)}
    for name in method_names():
        for precision in PACKED:
            reason = reason_against(of_library(type=name), precision, "bloom")
            assert reason is not None or name in VERIFIED_ON_PACKED, name
    known = {*method_names(), "BOTTLENECK"}
    for kind in (*VERIFIED_ON_PACKED, *ruled):
        assert kind.split()[0] in known or kind.islower(), f"{kind} is misspelled"


def test_kinds_tell_variants_of_lora_apart():
    lora = {"type": "LORA", "r": 8}
    assert kind_of(of_library(**lora)) == "LORA"
    assert kind_of(of_library(**lora, use_dora=True)) == "LORA dora"
    assert kind_of(of_library(**lora, init_lora_weights="pissa_niter_16")) == "LORA pissa"
    assert kind_of(of_library(**lora, init_lora_weights=True)) == "LORA"
    own = {name: kind_of(tiny_methods.config(name, "llama").peft) for name in tiny_methods.NAMES}
    assert own["adalora"] == "ADALORA"
    assert own["lora_plus"] == "LORA"
    assert own["sadapter_h"] == "bottleneck"
    assert (own["full"], own["freeze"], own["bitfit"]) == ("full", "freeze", "bitfit")


def test_an_architecture_without_a_place_for_it_is_refused():
    prompts = of_library(type="ADAPTION_PROMPT")
    assert "no place for it" in str(reason_against(prompts, Precision.fp32, "bloom"))
    assert reason_against(prompts, Precision.fp32, "llama") is None
    c3a = of_library(type="C3A")
    assert "view" in str(reason_against(c3a, Precision.nf4, "bloom"))
    assert reason_against(c3a, Precision.nf4, "llama") is None


VIRTUAL = {
    "CARTRIDGE": {"num_virtual_tokens": 4},
    "MULTITASK_PROMPT_TUNING": {"num_virtual_tokens": 4, "num_tasks": 1},
    "PREFIX_TUNING": {"num_virtual_tokens": 4},
    "PROMPT_TUNING": {"num_virtual_tokens": 4},
    "P_TUNING": {"num_virtual_tokens": 4},
}


@pytest.mark.parametrize("kind", VIRTUAL)
def test_chatglm_takes_no_virtual_tokens(kind):
    """Its ids say where the context ends; what is refused by the table fails indeed."""
    reason = reason_against(of_library(type=kind), Precision.fp32, "chatglm")
    assert "where the context ends; use peft=lora" in str(reason)
    assert reason_against(of_library(type=kind), Precision.fp32, "chatglm2") is None
    base = copy.deepcopy(golden_bases.model("chatglm1", "sdpa"))
    ids = torch.tensor([[9, 10, 151, 154, 20, 21]])
    options = {"attention_mask": torch.ones_like(ids), "labels": ids}
    if kind == "MULTITASK_PROMPT_TUNING":
        options["task_ids"] = torch.zeros(1, dtype=torch.long)
    with pytest.raises(ConfigError, match="ChatGLM-6B was given"):
        library.attach(base, type=kind, **VIRTUAL[kind]).model(ids, **options)


@pytest.mark.parametrize("name", golden_bases.MODEL_TYPES)
def test_prefixes_train_on_the_other_bases_of_2023_and_adaption_prompts_on_none(name):
    family = golden_bases.MODEL_TYPES[name]
    prompts = {"type": "ADAPTION_PROMPT", "adapter_len": 2, "adapter_layers": 1}
    reason = reason_against(of_library(type="ADAPTION_PROMPT"), Precision.fp32, family)
    assert "no place for it" in str(reason)
    with pytest.raises(ConfigError, match="Unsupported model type"):
        library.attach(copy.deepcopy(golden_bases.model(name, "sdpa")), **prompts)
    if family == "chatglm":
        return
    base = copy.deepcopy(golden_bases.model(name, "sdpa"))
    model = library.attach(base, type="PREFIX_TUNING", num_virtual_tokens=4).model
    ids = torch.arange(4, 20)[None]
    model(ids, attention_mask=torch.ones_like(ids), labels=ids).loss.backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert gradients
    assert all(g is not None and g.abs().max() > 0 for g in gradients)


def test_prefixes_and_gradient_checkpointing_exclude_each_other():
    prefix = tiny_methods.config("prefix_tuning", "llama").peft
    assert "runtime.gradient_checkpointing=false" in str(reason_against_checkpointing(prefix))
    lora = tiny_methods.config("lora", "llama").peft
    assert reason_against_checkpointing(lora) is None
    assert reason_not_to_merge(prefix)


@pytest.fixture
def saved(tmp_path):
    return tiny_bases.save("llama", tmp_path), tmp_path


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("lora", {"r": 65}, r"peft.options.r is 65, above the size of q_proj \(64\), v_proj"),
        ("adalora", {"init_r": 100}, "accepted: 1 to 64"),
        ("loha", {"r": 200}, "peft.options.r is 200"),
        ("prompt_tuning", {"num_virtual_tokens": 250}, "250 virtual tokens in front.*most 256"),
        ("freeze", {"last_layers": 3}, "the base has 2; accepted: 1 to 2"),
        ("bitfit", {}, "use ln_tuning"),
    ],
)
def test_what_the_architecture_says_is_refused_before_training(name, options, said, saved):
    import re

    model, root = saved
    cell = tiny_methods.config(name, "llama", **options)
    cell.model.path = str(root / model.path)
    cell.train.max_length_tokens = 128
    [problem] = preflight.architecture_problems(cell)
    assert re.search(said, problem), problem


def test_a_base_too_large_for_a_cpu_is_refused_where_it_would_run(saved, monkeypatch):
    model, root = saved
    cell = tiny_methods.config("lora", "llama")
    cell.model.path = str(root / model.path)
    cell.train.max_length_tokens = 128
    cell.runtime.device = Device.auto
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(gpu_checks, "LARGE_PARAMETERS", 10)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    [problem] = preflight.architecture_problems(cell)
    assert "torch sees no GPU" in problem
    assert preflight.architecture_problems(cell, elsewhere=True) == []
    cell.runtime.device = Device.cpu
    assert preflight.architecture_problems(cell) == []


def test_a_method_without_a_precision_of_the_base_is_refused_among_the_settings(saved):
    model, root = saved
    cell = tiny_methods.config("full", "llama", Precision.nf4)
    cell.model.path = str(root / model.path)
    problems = [p for p in preflight.settings_problems(cell) if p.startswith("peft=")]
    assert problems == [
        "peft=full with quantization nf4 on llama: packed weights are whole numbers, which take no "
        "gradient; use fp32 or bf16, or peft=qlora over nf4"
    ]
    qlora = tiny_methods.config("qlora", "llama", Precision.fp32)
    qlora.peft.learning_rate = -1.0
    qlora.runtime.gradient_checkpointing = True
    found = " ".join(preflight.settings_problems(qlora))
    assert "this method is defined over nf4; use quantization=nf4" in found
    assert "peft.learning_rate is -1.0; give a number above 0" in found


def test_an_optimizer_that_does_not_exist_is_refused():
    [problem] = preflight.optimizer_problems("adamw_8bits")
    assert "did you mean 'adamw_8bit'" in problem
    assert preflight.optimizer_problems("paged_adamw_32bit") == []


def test_the_library_refuses_what_it_cannot_attach_to_packed_weights():
    with pytest.raises(ConfigError, match="peft refuses the method LORA"):
        library.attach(
            tiny_methods.base("llama", Precision.nf4),
            type="LORA",
            r=4,
            target_modules=["q_proj"],
            init_lora_weights="pissa",
        )


def test_trained_weights_of_another_base_are_not_restored(tmp_path):
    export(base_weights.full(tiny_methods.base("llama")).model, tmp_path / "llama")
    with pytest.raises(StageError, match=r"does not fit.*another base"):
        restore(base_weights.full(tiny_methods.base("bloom")).model, tmp_path / "llama")
    wide = base_weights.full(tiny_bases.base("llama", intermediate_size=96))
    with pytest.raises(StageError, match=r"of shape \[128, 64\] instead of \[96, 64\]"):
        restore(wide.model, tmp_path / "llama")
