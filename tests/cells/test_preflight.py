"""Checks without weights: every problem at once, each with what is accepted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tunegrid.cells import preflight
from tunegrid.config.schema import (
    BenchmarkConfig,
    CellConfig,
    CollectionConfig,
    DataConfig,
    EvalConfig,
    JudgeConfig,
    LoggingConfig,
    ModelConfig,
    PeftConfig,
    PromptConfig,
    QuantizationConfig,
    TrainConfig,
)


@pytest.fixture
def config(tmp_path: Path) -> CellConfig:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    template = "{instruction}\n### Response:"
    return CellConfig(
        model=ModelConfig(name="base", path=str(tmp_path), architecture="llama"),
        peft=PeftConfig(
            name="lora",
            function="library.attach",
            options={"type": "LORA", "r": 8, "target_modules": ["q_proj"]},
        ),
        quantization=QuantizationConfig(name="fp32"),
        data=DataConfig(
            name="data",
            collections={"one": CollectionConfig(name="one", files=["/data.json"])},
        ),
        prompt=PromptConfig(
            name="p",
            language="english",
            with_input="{instruction}\n{input}\n### Response:",
            without_input=template,
            multiple_choice=template,
        ),
        train=TrainConfig(name="default"),
        eval=EvalConfig(name="none"),
        judge=JudgeConfig(name="reference", function="reference.build"),
        logging=LoggingConfig(name="none"),
    )


def test_a_sound_cell_has_no_problems(config: CellConfig) -> None:
    assert preflight.settings_problems(config) == []


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("train.epochs", 0.0, "train.epochs is 0.0; give a number above 0"),
        ("train.learning_rate", float("nan"), "train.learning_rate is nan"),
        ("train.examples_per_step", 0, "give 1 or more"),
        ("train.warmup_share", 1.0, "share from 0 to below 1"),
        ("train.keep_best", True, "needs validation losses"),
        ("train.evaluations_per_epoch", 2, "nothing is held out"),
        ("data.validation_examples", -1, "give 0 or more"),
        ("data.max_rejected_share", 1.5, "share from 0 to 1"),
        ("data.collections", {}, "nothing to train on"),
        ("peft.function", "libary.attach", "did you mean 'library'?"),
        ("peft.function", "os.system", "there is no 'os'"),
        ("peft.function", "os.path.join", "not of the form module.function"),
        ("peft.options", {"type": "LORA", "lora_alhpa": 1}, "did you mean 'lora_alpha'"),
        ("peft.options", {"type": "LORRA"}, "did you mean 'LORA'"),
        ("peft.options", {"type": "LORA", "r": 0}, "at least 1"),
        ("eval.limit", 0, "give 1 or more, or null for all items"),
        ("eval.decoding.max_new_tokens", 0, "give 1 or more"),
        ("judge.options", {"metrik": "chrf"}, "did you mean 'metric'"),
        ("logging.mode", "ofline", "did you mean 'offline'"),
        ("runtime.micro_batch_tokens", 0, "give 1 or more"),
        ("model.revision", "main", "a directory has no revisions"),
        ("seed", -1, "seed is -1"),
        ("seed", 2**32, "from 0 to 4294967295"),
        ("prompt.without_input", "no field", "{instruction}"),
    ],
)
def test_refused(config: CellConfig, setting: str, value: object, expected: str) -> None:
    *parents, last = setting.split(".")
    holder: object = config
    for name in parents:
        holder = getattr(holder, name)
    setattr(holder, last, value)
    problems = preflight.settings_problems(config)
    assert len(problems) == 1, problems
    assert expected in problems[0]


def test_a_hub_base_out_of_reach_is_said_at_once(
    config: CellConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config.model.path = "nobody/nothing"
    (problem,) = preflight.settings_problems(config)
    assert "hf download nobody/nothing" in problem


def test_a_base_without_weights_is_refused(config: CellConfig, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").unlink()
    assert "has no weights" in preflight.settings_problems(config)[0]


def test_all_problems_at_once(config: CellConfig) -> None:
    config.train.epochs = -1
    config.eval.benchmarks["belle"] = BenchmarkConfig(
        function="belle.read", path="/x", options={"strickt": True}
    )
    config.seed = -3
    assert len(preflight.settings_problems(config)) == 3


def test_online_logging_needs_a_key_from_the_environment(
    config: CellConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.logging.wandb, config.logging.mode = True, "online"
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert "WANDB_API_KEY" in preflight.settings_problems(config)[0]
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert preflight.settings_problems(config) == []


def test_a_cell_without_a_method_needs_no_data(config: CellConfig) -> None:
    config.peft = PeftConfig(name="none")
    config.data = DataConfig(name="nothing")
    assert preflight.settings_problems(config) == []


def test_settings_are_checked_without_torch(config: CellConfig) -> None:
    before = set(sys.modules)
    preflight.settings_problems(config)
    assert not {"torch", "peft", "transformers"} & (set(sys.modules) - before)


@pytest.mark.parametrize("name", ["../outside", "a/b", "..", ""])
def test_names_that_become_file_names_stay_in_their_directory(
    config: CellConfig, name: str
) -> None:
    config.eval.benchmarks[name] = BenchmarkConfig(function="belle.read", path="/x")
    config.judge.name = name
    problems = preflight.settings_problems(config)
    assert [problem.split(" is ")[0] for problem in problems] == [
        "a name in eval.benchmarks", "judge.name",
    ]  # fmt: skip


def test_names_that_tables_would_lose_are_refused(config: CellConfig) -> None:
    config.model.name, config.data.name = "NA", "null"
    problems = preflight.settings_problems(config)
    assert [problem.split(",")[0] for problem in problems] == [
        "model.name is 'NA'",
        "data.name is 'null'",
    ]
