"""A config.json of 2023 leads to the right class, and what is not implemented is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from doubles import golden_bases
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig
from tunegrid.models.architectures.baichuan import configuration as baichuan
from tunegrid.models.architectures.chatglm import configuration as chatglm
from tunegrid.models.architectures.chatglm2 import configuration as chatglm2
from tunegrid.models.architectures.internlm import configuration as internlm
from tunegrid.models.architectures.moss import configuration as moss
from tunegrid.models.architectures.registration import register
from tunegrid.models.bases.loading import architecture_of, load_config, model_class

CLASSES = {
    "baichuan7b": (baichuan.BaichuanConfig, "BaichuanForCausalLM"),
    "baichuan13b": (baichuan.BaichuanAlibiConfig, "BaichuanAlibiForCausalLM"),
    "internlm": (internlm.InternLMConfig, "InternLMForCausalLM"),
    "moss": (moss.MossConfig, "MossForCausalLM"),
    "chatglm2": (chatglm2.ChatGLM2Config, "ChatGLM2ForCausalLM"),
    "chatglm1": (chatglm.ChatGLMConfig, "ChatGLMForCausalLM"),
}


def fields(name: str) -> dict[str, Any]:
    path = golden_bases.FOLDER / name / "config.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", CLASSES)
def test_the_files_of_the_hub_lead_to_the_class_without_their_code(name):
    assert "auto_map" in fields(name)
    register()
    found = AutoConfig.from_pretrained(golden_bases.FOLDER / name)
    expected, model = CLASSES[name]
    assert type(found) is expected
    assert model_class(found).__name__ == model
    assert found.model_type == golden_bases.MODEL_TYPES[name]
    assert architecture_of(str(golden_bases.FOLDER / name), None) == found.model_type


@pytest.mark.parametrize("name", CLASSES)
def test_a_saved_config_is_read_as_it_was(name, tmp_path):
    register()
    first = AutoConfig.from_pretrained(golden_bases.FOLDER / name)
    first.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert "auto_map" not in saved
    second = AutoConfig.from_pretrained(tmp_path)
    assert type(second) is type(first)
    assert second.to_diff_dict() == first.to_diff_dict()
    assert second.vocab_size == 160
    assert second.max_position_embeddings == 64


def test_one_name_for_two_is_told_by_the_promised_architecture():
    wrong = ModelConfig(name="x", path="chatglm2", architecture="chatglm")
    with pytest.raises(ConfigError, match=r"architecture is 'chatglm'.*'chatglm2'"):
        load_config(wrong, golden_bases.FOLDER)
    right = ModelConfig(name="x", path="chatglm2", architecture="chatglm2")
    assert load_config(right, golden_bases.FOLDER).num_key_value_heads == 2


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("chatglm1", {"position_encoding_2d": False}, "position_encoding_2d is False"),
        ("chatglm1", {"quantization_bit": 4}, "quantization_bit is 4; only 0"),
        ("chatglm2", {"rmsnorm": False, "add_bias_linear": True}, "add_bias_linear is True"),
        ("chatglm2", {"original_rope": False}, "original_rope is False"),
        ("baichuan7b", {"vocab_size": 125696}, "Baichuan 2"),
        ("baichuan13b", {"z_loss_weight": 0}, "Baichuan 2"),
        ("internlm", {"rotary": {"base": 10000, "type": "linear"}}, "rotary.type is 'linear'"),
        ("moss", {"wbits": 4}, "wbits is 4"),
    ],
)
def test_variants_that_are_not_implemented_are_refused(name, changes, said, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(fields(name) | changes), encoding="utf-8")
    settings = ModelConfig(name="x", path=name, architecture=golden_bases.MODEL_TYPES[name])
    with pytest.raises(ConfigError) as refused:
        load_config(settings, tmp_path)
    assert said in str(refused.value)
    load_config(settings, golden_bases.FOLDER)


def test_internlms_later_files_turn_as_the_earlier_ones():
    later = golden_bases.config("internlm", rotary={"base": 10000, "type": "dynamic"})
    assert later.rope_parameters == golden_bases.config("internlm").rope_parameters
    other = golden_bases.config("internlm", rotary={"base": 500, "type": "dynamic"})
    assert other.rope_parameters["rope_theta"] == 500


def test_nothing_heavy_is_imported_to_know_of_the_function():
    code = (
        "import sys; import tunegrid.models.architectures.registration; "
        "import tunegrid.models.bases.loading, tunegrid.models.bases.skeleton; "
        "assert not {'torch', 'transformers', 'sentencepiece'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path.cwd())
