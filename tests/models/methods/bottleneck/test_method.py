"""Bottleneck adapters: where they sit, and that they behave like any adapter of peft."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from transformers import AutoConfig

from doubles import tiny_bases, tiny_methods
from tunegrid.config.choices import Precision
from tunegrid.config.errors import ConfigError, StageError
from tunegrid.models.bases.loading import model_class
from tunegrid.models.methods.attached import export, restore
from tunegrid.models.methods.bottleneck import method as bottleneck
from tunegrid.models.methods.bottleneck.method import PLACEMENTS, problems

LAYERS = 2
# Projections with an adapter in each block, by placement: Llama, Bloom.
ADAPTERS = {
    "after_mlp": {"llama": 1, "bloom": 1},
    "around_mlp": {"llama": 3, "bloom": 2},
    "after_attention_and_mlp": {"llama": 2, "bloom": 2},
    "beside_attention": {"llama": 3, "bloom": 1},
    "beside_mlp": {"llama": 1, "bloom": 1},
}


def attached(model: Any, placement: str = "around_mlp", **options: Any) -> Any:
    torch.manual_seed(1)
    return bottleneck.attach(
        model, placement=placement, **{"bottleneck_size": 8, "activation": "gelu"} | options
    ).model


def awake(model: Any) -> Any:
    """Fill the second projections, which are zero at the beginning."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bottleneck_up" in name:
                parameter.normal_(std=0.3)
    return model


@pytest.mark.parametrize("precision", [Precision.fp32, Precision.int8, Precision.nf4])
@pytest.mark.parametrize("kind", tiny_bases.KINDS)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_each_placement_begins_as_the_base_and_can_be_taken_off(placement, kind, precision):
    base = tiny_methods.base(kind, precision)
    expected = tiny_methods.logits(base)
    model = attached(base, placement)
    layers = [m for m in model.modules() if type(m).__name__ == "BottleneckLayer"]
    assert len(layers) == LAYERS * ADAPTERS[placement][kind]
    assert torch.equal(tiny_methods.logits(model), expected)
    changed = tiny_methods.logits(awake(model))
    assert (changed - expected).abs().max() > 1e-3
    with model.disable_adapter():
        assert torch.equal(tiny_methods.logits(model), expected)
    assert torch.equal(tiny_methods.logits(model), changed)
    with pytest.raises(ValueError, match="cannot be merged"):
        model.merge_and_unload()
    assert torch.equal(tiny_methods.logits(model.unload()), expected)


def test_the_sides_do_what_their_names_say():
    """By hand on one layer: before, after and beside."""
    from types import SimpleNamespace

    from tunegrid.models.methods.bottleneck.layer import BottleneckLayer

    settings = SimpleNamespace(
        bottleneck_size=3,
        adapter_bias=True,
        initialization="normal",
        dropout=0.0,
        scaling=2.0,
        activation="tanh",
        inference_mode=False,
    )
    for side in ("before", "after", "beside"):
        base = torch.nn.Linear(4, 6)
        layer = BottleneckLayer(base)
        layer.update_layer("default", settings, side, (4, 6))
        x = torch.randn(5, 4)
        down, up = layer.bottleneck_down["default"], layer.bottleneck_up["default"]

        def added(h: torch.Tensor, down=down, up=up) -> torch.Tensor:
            return 2.0 * up(torch.tanh(down(h)))

        if side == "before":
            expected = base(x + added(x))
        else:
            expected = base(x) + added(base(x) if side == "after" else x)
        assert torch.allclose(layer(x), expected, atol=1e-6)


def test_the_whole_mlp_of_bloom_gives_the_sum_with_its_residual():
    model = awake(attached(tiny_methods.base("bloom"), "beside_mlp", activation="relu"))
    layer = next(m for m in model.modules() if type(m).__name__ == "BottleneckLayer")
    x, residual = torch.randn(1, 3, 64), torch.randn(1, 3, 64)
    added = layer._added("default", x)
    expected = layer.base_layer(x, residual) + added
    assert torch.allclose(layer(x, residual), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("glm", {"head_dim": 16, "num_key_value_heads": 4}),
        ("qwen3", {"head_dim": 16, "num_key_value_heads": 4}),
        ("codegen", {"n_embd": 64, "n_layer": 2, "n_head": 4, "rotary_dim": 8, "n_ctx": 64}),
    ],
)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_known_architecture_has_the_places(architecture, settings, placement):
    shared = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    own = {} if architecture == "codegen" else shared | {"num_hidden_layers": 2}
    config = AutoConfig.for_model(architecture, vocab_size=64, pad_token_id=0, **own | settings)
    with torch.device("meta"):
        model = attached(model_class(config)(config), placement)
    assert sum(type(m).__name__ == "BottleneckLayer" for m in model.modules()) >= 2


def test_peft_itself_reads_the_export_and_several_live_side_by_side(tmp_path):
    model = awake(attached(tiny_methods.base("llama")))
    first = tiny_methods.logits(model)
    export(model, tmp_path / "first")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bottleneck_up" in name:
                parameter.mul_(-2)
    second = tiny_methods.logits(model)
    export(model, tmp_path / "second")
    read = peft.PeftModel.from_pretrained(tiny_methods.base("llama"), tmp_path / "first")
    assert torch.equal(tiny_methods.logits(read), first)
    read.load_adapter(tmp_path / "second", adapter_name="other")
    assert torch.equal(tiny_methods.logits(read), first)
    read.set_adapter("other")
    assert torch.equal(tiny_methods.logits(read), second)
    read.delete_adapter("other")
    read.set_adapter("default")
    assert torch.equal(tiny_methods.logits(read), first)


def test_gradient_checkpointing_changes_no_loss(tmp_path):
    losses = []
    for saves in (False, True):
        method = tiny_methods.attached(tiny_methods.config("houlsby", "llama", Precision.nf4))
        own: list[float] = []
        tiny_methods.trained(
            method,
            "llama",
            tmp_path / str(saves),
            gradient_checkpointing=saves,
            on_record=lambda record, own=own: own.append(record["loss"]),
        )
        losses.append(own)
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)


def test_an_adapter_of_another_size_or_base_is_refused(tmp_path):
    export(attached(tiny_methods.base("llama"), bottleneck_size=4), tmp_path / "narrow")
    export(attached(tiny_methods.base("bloom")), tmp_path / "bloom")
    for name in ("narrow", "bloom"):
        model = attached(tiny_methods.base("llama"))
        with pytest.raises(StageError, match="does not fit the method and the base"):
            restore(model, tmp_path / name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bottleneck_size": 0}, "bottleneck_size is 0; it must be a whole number of at least 1"),
        ({"bottleneck_size": True}, "bottleneck_size is True"),
        ({"placement": "after_mpl"}, "did you mean 'after_mlp'"),
        ({"activation": "rely"}, "did you mean 'relu'"),
        ({"initialization": "zero"}, "Accepted: identity, normal"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"scaling": 0}, "scaling is 0"),
        ({"bias": "none"}, "bias is 'none'"),
    ],
)
def test_wrong_options_are_refused(options, said):
    [problem] = problems({"placement": "after_mlp", "bottleneck_size": 8} | options)
    assert said in problem
    with pytest.raises(ConfigError):
        bottleneck.attach(
            tiny_methods.base("llama"),
            **{"placement": "after_mlp", "bottleneck_size": 8} | options,
        )


def test_an_architecture_without_known_places_is_refused():
    config = AutoConfig.for_model("gpt2", n_embd=8, n_layer=1, n_head=1, vocab_size=8)
    with torch.device("meta"):
        model = model_class(config)(config)
    with pytest.raises(ConfigError, match=r"no places.*'gpt2'; accepted: bloom, codegen"):
        attached(model)
