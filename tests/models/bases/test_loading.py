"""Bases and tokenizers as they were saved; what is incomplete or another is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from doubles import tiny_bases
from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig, QuantizationConfig
from tunegrid.models.bases.loading import load, load_tokenizer
from tunegrid.models.bases.skeleton import skeleton
from tunegrid.store.inputs.locate import locate

PLAIN = QuantizationConfig(name="fp32")


def settings(kind: str, **options) -> ModelConfig:
    chosen = {"name": kind, "path": kind, "architecture": kind} | options
    return ModelConfig(**chosen)


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_a_base_comes_back_as_it_was_saved(kind, source):
    model, tokenizer = load(settings(kind), PLAIN, root=source, device=Device.cpu)
    expected = tiny_bases.base(kind).state_dict()
    assert expected
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    assert model.config.use_cache is False
    assert not model.training
    assert model.dtype is torch.float32
    assert tokenizer.is_fast
    assert len(tokenizer) <= model.config.vocab_size


def test_the_type_is_what_is_asked_for_and_not_what_the_files_hold(source):
    half = QuantizationConfig(name="bf16", precision=Precision.bf16, dtype=Dtype.bfloat16)
    model, _ = load(settings("llama"), half, root=source, device=Device.cpu)
    assert model.dtype is torch.bfloat16


def test_pickled_weights_of_older_bases_are_read(root):
    weights = load_file(root / "llama" / "model.safetensors")
    torch.save(weights, root / "llama" / "pytorch_model.bin")
    (root / "llama" / "model.safetensors").unlink()
    model, _ = load(settings("llama"), PLAIN, root=root, device=Device.cpu)
    expected = tiny_bases.base("llama").state_dict()
    assert expected
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_missing_weights_are_refused_and_not_made_up(root):
    file = root / "llama" / "model.safetensors"
    weights = load_file(file)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"layers\.1\.mlp\.up_proj\.weight"):
        load(settings("llama"), PLAIN, root=root, device=Device.cpu)


def test_a_directory_without_weights_is_refused(root):
    (root / "llama" / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="no weights can be read"):
        load(settings("llama"), PLAIN, root=root, device=Device.cpu)


def test_a_tokenizer_without_padding_pads_with_its_end(root):
    edit(root / "llama" / "tokenizer_config.json", pad_token=None)
    tokenizer = load_tokenizer(settings("llama"), root)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert len(tokenizer) == len(tiny_bases.tokenizer("llama"))


def test_a_place_is_a_directory_or_a_name_on_the_hub(source):
    assert locate(settings("llama"), source) == str(source / "llama")
    assert locate(settings("llama", path=str(source / "llama")), Path("/")) == str(source / "llama")
    hub = settings("bloom", path="bigscience/bloom-7b1", revision="main")
    assert locate(hub, source) == "bigscience/bloom-7b1"
    with pytest.raises(ConfigError, match="there is no directory"):
        locate(settings("llama", path="assets/miniature/llama"), source)
    with pytest.raises(ConfigError, match="no revisions"):
        locate(settings("llama", revision="main"), source)


def test_another_architecture_is_refused(source):
    with pytest.raises(ConfigError, match=r"model\.architecture is 'bloom'.*'llama'"):
        skeleton(settings("llama", architecture="bloom"), source)


def test_what_is_no_causal_language_model_is_refused(root):
    (root / "t5").mkdir()
    (root / "t5" / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(ConfigError, match="not a causal language model"):
        skeleton(settings("t5"), root)


def test_a_tokenizer_of_another_base_is_refused(root):
    edit(root / "llama" / "config.json", vocab_size=100)
    with pytest.raises(ConfigError, match="vocab_size 100"):
        skeleton(settings("llama"), root, tiny_bases.tokenizer("llama"))


def test_code_that_comes_with_a_base_is_not_run(root):
    marker = root / "ran"
    (root / "llama" / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    edit(
        root / "llama" / "config.json",
        model_type="evil",
        auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
    )
    with pytest.raises(ConfigError):
        load(settings("llama", architecture="evil"), PLAIN, root=root, device=Device.cpu)
    assert not marker.exists()
