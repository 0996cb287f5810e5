"""The W&B run of a cell: its curve and its facts, and nothing where it is not asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunegrid.cells.identity import Cell
from tunegrid.cells.tracking import Tracker
from tunegrid.config.schema import CellConfig, LoggingConfig, PeftConfig


class Run:
    def __init__(self) -> None:
        self.logged: list[tuple[dict[str, Any], int]] = []
        self.summary: dict[str, Any] = {}
        self.exit_code: int | None = None

    def log(self, values: dict[str, Any], step: int) -> None:
        self.logged.append((values, step))

    def finish(self, exit_code: int) -> None:
        self.exit_code = exit_code


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a stand-in for wandb was told of runs."""
    told: list[dict[str, Any]] = []

    def init(**options: Any) -> Run:
        told.append(options | {"run": Run()})
        run: Run = told[-1]["run"]
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    monkeypatch.setenv("WANDB_SILENT", "true")
    return told


def tracker(tmp_path: Path, *, is_on: bool = True) -> Tracker:
    config = CellConfig(peft=PeftConfig(name="lora"))
    cell = Cell(config, "words-of-it-0a1b", {"seed": 0}, tmp_path)
    return Tracker(LoggingConfig(wandb=is_on, project="p", mode="offline"), cell, tmp_path)


def test_a_continued_cell_continues_its_run(tmp_path: Path, begun: list[dict[str, Any]]) -> None:
    for _ in range(2):
        with tracker(tmp_path) as one:
            one.log({"step": 3, "loss": 2.5})
            one.summarize({"steps": 3, "suspect": ["x"], "validation": None})
    assert {options["id"] for options in begun} == {"0a1b"}
    assert {options["resume"] for options in begun} == {"allow"}
    for options in begun:
        # What a person filters by; neither paths nor the environment.
        assert options["config"]["peft"]["name"] == "lora"
        assert "runtime" not in options["config"]
    run = begun[0]["run"]
    assert run.logged == [({"train/loss": 2.5}, 3)]
    assert run.summary == {"steps": 3}
    assert run.exit_code == 0


def test_a_failure_ends_the_run_and_is_not_swallowed(
    tmp_path: Path, begun: list[dict[str, Any]]
) -> None:
    with pytest.raises(RuntimeError, match="in the middle"), tracker(tmp_path):
        raise RuntimeError("in the middle")
    assert begun[0]["run"].exit_code == 1


def test_nothing_is_sent_where_it_is_not_asked_for(
    tmp_path: Path, begun: list[dict[str, Any]]
) -> None:
    with tracker(tmp_path, is_on=False) as one:
        one.log({"step": 1, "loss": 1.0})
        one.summarize({"steps": 1})
    assert begun == []
