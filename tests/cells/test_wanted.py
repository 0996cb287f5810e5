"""What a cell asks for, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunegrid.cells import identity, wanted
from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Stage
from tunegrid.config.errors import DataError
from tunegrid.config.schema import (
    BenchmarkConfig,
    CellConfig,
    DataConfig,
    EvalConfig,
    ModelConfig,
    PeftConfig,
)


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A cell that is asked two benchmarks, of which one cannot be read, and a harness task."""

    def requests_about(cell: Cell, name: str) -> list[Any]:
        if name == "broken":
            raise DataError("items.json is no JSON\nat all")
        return [wanted.Wanted(name, f"{name}-1"), wanted.Wanted(name, f"{name}-2")]

    monkeypatch.setattr("tunegrid.cells.requests.requests_about", requests_about)
    monkeypatch.setattr("tunegrid.cells.stages.lm_eval.score_id", lambda cell: "lm_eval-1")
    one = BenchmarkConfig(function="f", path="x")
    config = CellConfig(
        model=ModelConfig(name="base", path="base", architecture="none"),
        peft=PeftConfig(name="m", function=None),
        data=DataConfig(name="none"),
        eval=EvalConfig(name="e", benchmarks={"broken": one, "quiz": one}, tasks=["task"]),
    )
    return Cell(config, "run", {}, tmp_path)


def test_scores_are_named_in_their_order_and_what_cannot_be_named_says_why(cell: Cell) -> None:
    broken = wanted.Wanted("broken", "", "items.json is no JSON")
    quiz = [wanted.Wanted("quiz", "quiz-1"), wanted.Wanted("quiz", "quiz-2")]
    assert wanted.of_cell(cell) == (broken, *quiz, wanted.Wanted("lm_eval", "lm_eval-1"))
    assert wanted.score_ids(cell) == ["quiz-1", "quiz-2", "lm_eval-1"]
    assert wanted.benchmarks(cell) == {"broken", "quiz", "lm_eval"}
    assert wanted.harness_id(cell) == "lm_eval-1"
    assert wanted.record(cell) == cell.record() | {"asked": ["quiz-1", "quiz-2", "lm_eval-1"]}


def test_a_harness_that_is_not_installed_is_no_error(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(cell: Cell) -> str:
        raise ModuleNotFoundError("no lm_eval")

    monkeypatch.setattr("tunegrid.cells.stages.lm_eval.score_id", absent)
    assert wanted.of_cell(cell)[-1] == wanted.Wanted("lm_eval", "", "no lm_eval")
    assert wanted.harness_id(cell) == ""


def test_a_cell_that_is_only_trained_asks_nothing(cell: Cell) -> None:
    trained = replace(cell, config=replace(cell.config, stage=Stage.train))
    assert wanted.of_cell(trained) == ()


@pytest.mark.parametrize(
    ("score", "benchmark"),
    [
        ("mmcu-0123456789ab-rule-0123456789ab", "mmcu"),
        ("my-exam-0123456789ab-openai-0123456789ab", "my-exam"),
        ("lm_eval-0123456789ab", "lm_eval"),
        ("another form", "another form"),
    ],
)
def test_a_score_id_names_its_benchmark(score: str, benchmark: str) -> None:
    assert identity.benchmark_of(score) == benchmark
    assert wanted.named([score, score]) == (wanted.Wanted(benchmark, score),)
