"""`load_model`: a folder in the hub's form, by plain words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from doubles import families, golden_bases
from tunegrid.config.errors import ConfigError
from tunegrid.models.bases import load_model

GOLDEN = ("chatglm1", "chatglm2", "baichuan7b", "baichuan13b", "internlm", "moss")


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_bases_answer_as_the_originals(
    name: str, attention: str, tmp_path: Path
) -> None:
    model = load_model(golden_bases.write(name, tmp_path), attention=attention, device="cpu")
    assert model.dtype is torch.float32
    golden = golden_bases.arrays(name)
    ids = golden.get("plain_ids", golden.get("ctx_ids"))
    logits = golden.get("plain_logits", golden.get("ctx_logits"))
    with torch.no_grad():
        golden_bases.close(model(ids).logits, logits)


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_words_say_how_weights_are_held(tmp_path: Path, quantization: str) -> None:
    folder = families.write("qwen3", tmp_path)
    model = load_model(folder, quantization=quantization, dtype="bfloat16", device="cpu")
    assert model.is_quantized
    assert load_model(str(folder), dtype="float16", device="cpu").dtype is torch.float16


def test_words_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    folder = families.write("gpt2", tmp_path)
    for words, expected in (
        ({"quantization": "int4"}, "quantization is 'int4'"),
        ({"quantization": "bf16"}, "accepted: int8, nf4"),
        ({"dtype": "bf16"}, "dtype is 'bf16'.*bfloat16"),
        ({"attention": "fast"}, "attention is 'fast'"),
        ({"device": "tpu"}, "device is 'tpu'"),
    ):
        with pytest.raises(ConfigError, match=expected):
            load_model(folder, **words)  # type: ignore[arg-type]


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    folder = families.write("gpt2", tmp_path)
    file = folder / "model.safetensors"
    weights = load_file(file)
    gone = sorted(weights)[0]
    weights.pop(gone)
    weights["made.up"] = torch.zeros(2)
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"missing: .*unexpected: made\.up"):
        load_model(folder, device="cpu")


def test_remote_code_and_pickles_that_run_are_refused(tmp_path: Path) -> None:
    folder = families.write("gpt2", tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "their_own", "auto_map": {"AutoModelForCausalLM": "x.Y"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="their_own"):
        load_model(folder, device="cpu")
    folder = families.write("opt", tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save({"a": Path}, folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="reading it would run what it holds"):
        load_model(folder, device="cpu")
