"""What a cell with a base behind a server may be, how it is named and what it sends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunegrid.cells import api_base
from tunegrid.cells.identity import train_identity
from tunegrid.config.choices import Engine, Protocol
from tunegrid.config.schema import API, BenchmarkConfig, CellConfig, ModelConfig, PeftConfig
from tunegrid.store.inputs import locate

URL = "http://127.0.0.1:1/v1"


def config(**options: Any) -> CellConfig:
    model = ModelConfig(
        name="m", path=API, architecture=API, options={"base_url": URL, "model": "m", **options}
    )
    return CellConfig(model=model, peft=PeftConfig(name="none"))


def identity(one: CellConfig) -> Any:
    return train_identity(one, locate.hashes(one, Path("/none")))


def test_a_plain_cell_has_no_problem() -> None:
    assert list(api_base.problems(config())) == []


def test_what_it_cannot_do_is_refused_with_the_reason() -> None:
    one = config(cost=3, length_name="room")
    one.peft = PeftConfig(name="lora", function="library.attach")
    one.eval.tasks = ["sums"]
    one.eval.engine = Engine.vllm
    one.eval.benchmarks = {
        "exam": BenchmarkConfig(function="mmcu.read", path="x", protocols=[Protocol.likelihood])
    }
    one.eval.decoding.beams = 2
    found = "\n".join(api_base.problems(one))
    for words in (
        "unknown option 'cost'", "length_name", "nothing can be trained", "eval.tasks",
        "eval.engine", "exam by likelihood", "no beams",
    ):  # fmt: skip
        assert words in found
    assert len(found.splitlines()) == 7


def test_a_base_that_lies_here_takes_no_options() -> None:
    one = config()
    one.model.architecture = "llama"
    assert "only model=api" in "\n".join(api_base.problems(one))


def test_a_key_in_the_clear_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    found = "\n".join(api_base.problems(config(base_url="http://example.org/v1")))
    assert "model.options.base_url" in found
    assert "sk-secret" not in found


def test_the_name_is_of_the_model_and_the_system_message_alone() -> None:
    usual = identity(config())
    assert identity(config(base_url="https://elsewhere.org/v1", max_calls=3)) == usual
    assert identity(config(system="")) == usual
    assert identity(config(model="n")) != usual
    assert identity(config(system="Be brief.")) != usual
    other = config()
    other.prompt.with_input, other.quantization.name = "another {instruction} {input}", "nf4"
    assert identity(other) == usual, "neither template nor precision reaches a server"


def test_the_body_has_the_decoding_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    greedy = api_base.body(config(system="Be brief."), 5)
    assert greedy == {
        "model": "m", "max_tokens": 5, "temperature": 0.0,
        "messages": [{"role": "system", "content": "Be brief."}],
    }  # fmt: skip
    sampled = config()
    sampled.eval.decoding = replace(sampled.eval.decoding, sample=True, temperature=0.7)
    assert api_base.body(sampled, 5)["temperature"] == 0.7
    assert api_base.body(config(server_decoding=True, length_name="max_completion_tokens"), 5) == {
        "model": "m", "messages": [], "max_completion_tokens": 5,
    }  # fmt: skip
    assert api_base.settings(config(), 5).key == "sk-secret"


def test_a_price_needs_both_its_parts() -> None:
    assert api_base.price({"price_per_million_prompt_tokens": 1.0}, 1e6, 1e6) is None
    prices = {"price_per_million_prompt_tokens": 1.0, "price_per_million_new_tokens": 2.0}
    assert api_base.price(prices, 1e6, 1e6) == 3.0
