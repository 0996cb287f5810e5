"""The bases of the study's tables, counted from the numbers in their YAML, without weights."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tunegrid.config.project import project_directory
from tunegrid.config.schema import ModelConfig, PeftConfig
from tunegrid.plan.architecture import counted

CONF = project_directory() / "conf"

# Parameters of the base, and of the study's LoRA (rank 32 on the attention input): rank times the
# inputs and outputs of each projection, in every layer.
BASES = {
    "bloom_7b1": (7_069_016_064, 30 * 32 * (4096 + 3 * 4096)),
    "bloomz_7b1": (7_069_016_064, 30 * 32 * (4096 + 3 * 4096)),
    "bloomz_7b1_mt": (7_069_016_064, 30 * 32 * (4096 + 3 * 4096)),
    "llama_7b": (6_738_415_616, 32 * 2 * 32 * (4096 + 4096)),
    "vicuna_7b": (6_738_415_616, 32 * 2 * 32 * (4096 + 4096)),
    "llama_voc": (6_738_415_616 + 2 * 17_953 * 4096, 32 * 2 * 32 * (4096 + 4096)),
    "llama_voc_pre": (6_738_415_616 + 2 * 17_953 * 4096, 32 * 2 * 32 * (4096 + 4096)),
    "llama_voc_pre_l": (6_738_415_616 + 2 * 17_953 * 4096, 32 * 2 * 32 * (4096 + 4096)),
    "moss_base": (16_717_980_160, 34 * 32 * (6144 + 3 * 6144)),
    "moss_sft": (16_717_980_160, 34 * 32 * (6144 + 3 * 6144)),
    "chatglm_6b": (6_173_286_400, 28 * 32 * (4096 + 3 * 4096)),
    # 32 heads of queries and 2 groups of keys and values, each 128 wide.
    "chatglm2_6b": (6_243_584_000, 28 * 32 * (4096 + 36 * 128)),
    "baichuan_7b": (7_000_559_616, 32 * 32 * (4096 + 3 * 4096)),
    "baichuan_13b": (13_264_901_120, 40 * 32 * (5120 + 3 * 5120)),
    "internlm_7b": (7_321_948_160, 32 * 2 * 32 * (4096 + 4096)),
    "llama_13b": (13_015_864_320, 40 * 2 * 32 * (5120 + 5120)),
    "llama_30b": (32_528_943_616, 60 * 2 * 32 * (6656 + 6656)),
    # Of today: q_proj and v_proj with groups of keys and values, or both in one projection.
    "qwen3_0_6b": (596_049_920, 28 * 32 * (2 * 1024 + 16 * 128 + 8 * 128)),
    "qwen3_1_7b": (1_720_574_976, 28 * 32 * (2 * 2048 + 16 * 128 + 8 * 128)),
    "qwen3_4b": (4_022_468_096, 36 * 32 * (2 * 2560 + 32 * 128 + 8 * 128)),
    "qwen3_8b": (8_190_735_360, 36 * 32 * (2 * 4096 + 32 * 128 + 8 * 128)),
    "qwen3_14b": (14_768_307_200, 40 * 32 * (2 * 5120 + 40 * 128 + 8 * 128)),
    "qwen3_30b_a3b": (30_532_122_624, 48 * 32 * (2 * 2048 + 32 * 128 + 4 * 128)),
    "llama3_8b": (8_030_261_248, 32 * 32 * (2 * 4096 + 32 * 128 + 8 * 128)),
    "llama3_1_8b": (8_030_261_248, 32 * 32 * (2 * 4096 + 32 * 128 + 8 * 128)),
    "llama3_2_1b": (1_235_814_400, 16 * 32 * (2 * 2048 + 32 * 64 + 8 * 64)),
    "llama3_2_3b": (3_212_749_824, 28 * 32 * (2 * 3072 + 24 * 128 + 8 * 128)),
    "mistral_7b": (7_248_023_552, 32 * 32 * (2 * 4096 + 32 * 128 + 8 * 128)),
    "gemma3_1b": (999_885_952, 26 * 32 * (2 * 1152 + 4 * 256 + 1 * 256)),
    "glm4_9b": (9_400_279_040, 40 * 32 * (2 * 4096 + 32 * 128 + 2 * 128)),
    "internlm3_8b": (8_804_241_408, 48 * 32 * (2 * 4096 + 32 * 128 + 2 * 128)),
    "phi_2": (2_779_683_840, 32 * 32 * (2 * 2560 + 32 * 80 + 32 * 80)),
    "phi_3_5_mini": (3_821_079_552, 32 * 32 * (3072 + (32 + 2 * 32) * 96)),
    "phi_4": (14_659_507_200, 40 * 32 * (5120 + (40 + 2 * 10) * 128)),
}


def settings(group: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONF / group / f"{name}.yaml").read_text("utf-8"))
    return content


def test_every_base_that_states_its_numbers_is_counted() -> None:
    stated = {
        path.stem
        for path in (CONF / "model").glob("*.yaml")
        if "architecture_config" in settings("model", path.stem)
    }
    assert stated == set(BASES)


@pytest.mark.parametrize("name", BASES)
def test_a_base_and_its_lora_have_exactly_these_parameters(name: str) -> None:
    base = settings("model", name)
    lora = settings("peft", "lora")
    lora["options"]["target_modules"] = base["attention_modules"]
    numbers = counted(ModelConfig(**base), PeftConfig(**lora))
    assert (numbers["base"], numbers["trainable"]) == BASES[name]
    assert numbers["source"] == "model.architecture_config"


@pytest.mark.parametrize("name", [name for name in BASES if not name.startswith("llama_voc")])
def test_the_stated_download_is_its_weights_in_16_bit(name: str) -> None:
    stated = settings("model", name)["download_bytes"]
    # ChatGLM's files hold its head, equal to the embedding, once more: 0.53 of 6.17 billion.
    head = 4096 * 130_528 if name == "chatglm_6b" else 0
    assert stated == pytest.approx(2 * (BASES[name][0] + head), rel=1e-3)
