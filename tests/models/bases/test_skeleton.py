"""A base without its weights, as its config describes it."""

from __future__ import annotations

import pytest

from doubles import tiny_bases
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig
from tunegrid.models.bases.skeleton import skeleton


def settings(kind: str, **options) -> ModelConfig:
    chosen = {"name": kind, "path": kind, "architecture": kind} | options
    return ModelConfig(**chosen)


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_a_skeleton_is_the_base_without_its_weights(kind, source):
    found = skeleton(settings(kind), source, tiny_bases.tokenizer(kind))
    base = tiny_bases.base(kind)
    assert {p.device.type for p in found.model.parameters()} == {"meta"}
    assert found.module_names() == [name for name, _ in base.named_modules() if name]
    assert found.counts().total == sum(p.numel() for p in base.parameters())
    assert set(tiny_bases.TARGETS[kind]) < set(found.linear_modules())
    assert "lm_head" not in found.linear_modules()
    assert found.context_tokens == (256 if kind == "llama" else None)


def test_a_method_fits_a_skeleton_as_it_fits_the_base(source):
    from tunegrid.models.parameters import count

    bare = tiny_bases.lora(skeleton(settings("bloom"), source).model, "bloom", awake=False)
    real = tiny_bases.lora(tiny_bases.base("bloom"), "bloom")
    assert count(bare.model) == count(real.model)


def test_a_skeleton_needs_no_weights_but_a_config(root):
    (root / "llama" / "model.safetensors").unlink()
    skeleton(settings("llama"), root)
    (root / "llama" / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"config\.json"):
        skeleton(settings("llama"), root)
