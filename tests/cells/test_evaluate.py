"""The order of a cell's last stages where a judge loads a model of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tunegrid.cells import evaluate, loaded_models
from tunegrid.cells.loaded_models import Models
from tunegrid.evaluation.judges import local


def request(identity: dict[str, str]) -> Any:
    return SimpleNamespace(judge_identity=identity)


def cell(function: str, **options: Any) -> Any:
    judge = SimpleNamespace(name="judge", function=function, options=options)
    return SimpleNamespace(config=SimpleNamespace(judge=judge))


def test_only_a_judge_that_is_asked_and_loads_a_model_needs_the_device() -> None:
    own = cell("local.build", path="base")
    assert evaluate.needs_the_device(own, request({"path": "base"}))
    # A benchmark with a rule of its own asks no judge.
    assert not evaluate.needs_the_device(own, request({}))
    assert not evaluate.needs_the_device(cell("reference.build"), request({"name": "reference"}))
    assert local.build(path="base").loads_model


def test_a_released_model_is_loaded_anew_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = SimpleNamespace(peft=SimpleNamespace(function=None), quantization=None)
    made: list[object] = []

    def load(self: Any, quantization: Any) -> object:
        made.append(object())
        return made[-1]

    monkeypatch.setattr(loaded_models.Models, "_base", load)
    models = Models(SimpleNamespace(config=config), None)  # type: ignore[arg-type]
    first = models.answering()
    assert models.answering() is first
    models.release()
    assert models.loaded() is None
    assert models.answering() is not first
