"""Finished cells answered together give the answers they gave one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from doubles import tiny_bases
from tunegrid.cells import pipeline, shared_base, state
from tunegrid.cells.identity import Cell
from tunegrid.cli.run import from_composed
from tunegrid.config.errors import StageError
from tunegrid.config.schema import CellConfig
from tunegrid.models.methods import library
from tunegrid.store import json_files, run_files
from tunegrid.store.run_directory import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TRAINING = [
    "train.max_steps=3", "train.examples_per_step=4", "runtime.threads=1",
    "runtime.progress=false",
]  # fmt: skip
ASKED = [
    "eval=mini", "eval.limit=8", "eval.benchmarks.belle.max_new_tokens=12",
    "eval.benchmarks.mmcu.protocols=[generation,likelihood]",
]  # fmt: skip
CELLS = (
    ["peft=lora", "seed=0"],
    ["peft=none"],
    ["peft=lora", "seed=1", "train.learning_rate=0.01"],
    ["peft=lora_all_linear", "seed=2", "train.learning_rate=0.01"],
    ["peft=lora", "seed=3", "train.learning_rate=0.02", "prompt=chinese"],
)


def made(project: Path, results: Path, *words: str, asked: Sequence[str] = ASKED) -> Cell:
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        composed = compose(
            "config", overrides=[*TRAINING, *asked, *words, f"runtime.results={results}"]
        )
    return from_composed(composed, project, project)


def answers(cell: Cell) -> dict[str, list[str]]:
    """Return the text of every prediction file of a cell, without how batches were shared."""
    found = {}
    for path in sorted((cell.directory / run_files.PREDICTIONS).glob("*.jsonl")):
        records = json_files.read_json_lines(path)
        found[path.name] = [repr(r.get("text", r.get("likelihoods"))) for r in records]
    return found


@pytest.mark.parametrize("base", ["mini_llama", "mini_bloom"])
def test_together_they_answer_as_one_by_one(base: str, project: Path, tmp_path: Path) -> None:
    all_cells = [made(project, tmp_path, f"model={base}", *words) for words in CELLS]
    alone = {}
    for cell in all_cells:
        pipeline.run(cell, should_stop=lambda: False)
        alone[cell.train_id] = answers(cell)
        assert len(alone[cell.train_id]) == 3
        run = RunDirectory(cell.directory)
        for name in (run_files.PREDICTIONS, run_files.SCORES, run_files.RESULTS):
            run.remove(name)
    loads = shared_base.run_together(all_cells, should_stop=lambda: False)
    # One for the cells with methods, one for the base as it is.
    assert loads == 2
    for cell in all_cells:
        assert answers(cell) == alone[cell.train_id]
        assert state.is_finished(cell)
    assert len({repr(found) for found in alone.values()}) == len(all_cells)


def test_a_cell_that_is_not_trained_is_named_and_the_others_are_answered(
    project: Path, tmp_path: Path
) -> None:
    good, bad = made(project, tmp_path, "peft=none"), made(project, tmp_path, "peft=lora")
    with pytest.raises(StageError, match=f"{bad.train_id}: it is not trained"):
        shared_base.run_together([bad, good], should_stop=lambda: False)
    assert state.is_finished(good)


def test_a_base_that_was_written_to_is_not_used_again() -> None:
    base = tiny_bases.base("llama")
    before = shared_base.state_of(base)
    attached = library.attach(base, type="LORA", r=2, target_modules=["q_proj"]).model
    assert shared_base.without_method(attached) is base
    assert shared_base.state_of(base) == before
    with torch.no_grad():
        base.lm_head.weight[0, 0] += 1
    assert shared_base.state_of(base) != before
    before = shared_base.state_of(base)
    base.register_forward_hook(lambda *a: None)
    assert shared_base.state_of(base) != before
