"""Trainable parameters are counted on the architecture, without weights or network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tunegrid.config.compose.typed import model_and_method
from tunegrid.config.errors import ConfigError
from tunegrid.plan import architecture

BLOOM, LLAMA = 7_069_016_064, 6_738_415_616


@pytest.mark.parametrize(
    ("base", "method", "trainable", "parameters"),
    [
        # The study's Table 4, whose "M" is 2**20.
        ("bloom_7b1", "lora", 15_728_640, BLOOM),
        ("bloom_7b1", "adalora", 5_898_600, BLOOM),
        ("bloom_7b1", "prefix_tuning", 32_309_376, BLOOM),
        ("bloom_7b1", "sadapter_h_large", 125_829_120, BLOOM),
        ("bloom_7b1", "full", BLOOM, BLOOM),
        # Rank 32 on two square projections of 32 layers.
        ("llama_7b", "lora", 2 * 32 * 32 * (4096 + 4096), LLAMA),
    ],
)
def test_counts_are_exact(project, base, method, trainable, parameters):
    config = model_and_method(project / "conf", base, method)
    found = architecture.counted(config.model, config.peft)
    assert (found["trainable"], found["base"]) == (trainable, parameters)
    assert found["source"] == "model.architecture_config"


def test_a_base_as_it_is_trains_nothing(project):
    config = model_and_method(project / "conf", "llama_7b", "none")
    found = architecture.read(architecture.counted(config.model, None))
    assert isinstance(found, architecture.Architecture)
    assert (found.trainable, found.total) == (0, LLAMA)
    # Seven projections a layer are packed; embedding, head and norms are not.
    assert found.quantizable == 32 * (4 * 4096**2 + 3 * 4096 * 11008)
    assert found.is_gated


@pytest.mark.parametrize(
    ("base", "is_gated", "heads_of_keys", "inner"),
    [
        ("chatglm_6b", False, 32, 16384),
        ("chatglm2_6b", True, 2, 13696),
        ("baichuan_13b", True, 40, 13696),
        ("moss_base", False, 24, 4 * 6144),
    ],
)
def test_what_memory_needs_of_the_bases_of_2023(project, base, is_gated, heads_of_keys, inner):
    """ChatGLM2's gate is in one matrix with the rest."""
    config = model_and_method(project / "conf", base, "none")
    found = architecture.read(architecture.counted(config.model, None))
    assert isinstance(found, architecture.Architecture)
    assert (found.is_gated, found.inner) == (is_gated, inner)
    width = found.hidden // found.heads
    assert found.key_value_size == heads_of_keys * width


def test_a_base_that_will_lie_in_a_directory_is_counted_by_its_stated_numbers(project):
    config = model_and_method(project / "conf", "llama_7b", "lora")
    model = replace(config.model, path="inputs/bases/llama_7b")
    assert architecture.counted(model, config.peft)["base"] == LLAMA


def test_the_key_changes_with_the_method_and_not_with_the_machine(planned):
    keys = {
        words: architecture.job(planned(*words.split()).cell.config).name
        for words in (
            "model=bloom_7b1",
            "model=bloom_7b1 runtime.micro_batch_tokens=64 seed=3",
            "model=bloom_7b1 peft.options.r=8",
            "model=llama_7b",
        )
    }
    first, same, other_rank, other_base = keys.values()
    assert first == same
    assert len({first, other_rank, other_base}) == 3


def test_a_base_without_numbers_is_refused(project):
    config = model_and_method(project / "conf", "llama_7b", "lora")
    model = replace(config.model, path="inputs/nowhere/at/all", architecture_config={})
    with pytest.raises(ConfigError, match=r"model\.path"):
        architecture.counted(model, config.peft)
