"""lm-evaluation-harness on a cell's model: small local tasks become rows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from doubles import tiny_bases
from tunegrid.cells import pipeline, state
from tunegrid.cells.stages import lm_eval
from tunegrid.config.errors import ConfigError
from tunegrid.reports import rows
from tunegrid.store import json_files, run_files
from tunegrid.store.run_directory import RunDirectory

harness = pytest.importorskip("tunegrid.evaluation.lm_eval")
pytest.importorskip("lm_eval")

FOUND = {
    "results": {
        "one": {"alias": "one", "acc,none": 0.25, "acc_stderr,none": 0.05, "sample_len": 4},
        "two": {"word_perplexity,none": 12.5, "word_perplexity_stderr,none": "N/A"},
        "three": {"exact_match,strict": 0.5, "exact_match,loose": 1.0},
    },
    "n-samples": {"one": {"original": 9, "effective": 4}, "three": {"effective": 2}},
}


def test_the_harness_numbers_become_rows_with_their_units() -> None:
    found = {(r.category, r.metric): r for r in harness.measurements(FOUND)}
    one = found["one", "acc"]
    assert (one.value, one.standard_error, one.items) == (25.0, 5.0, 4)
    assert found["two", "word_perplexity"].value == 12.5
    assert found["two", "word_perplexity"].standard_error is None
    assert found["three", "exact_match (loose)"].value == 100.0
    assert len(found) == 4


def test_what_is_not_finite_is_no_value_and_its_items_are_unscored() -> None:
    results = {"one": {"acc,none": math.nan, "acc_stderr,none": math.nan, "f1,none": 0.5}}
    found = {"results": results, "n-samples": {"one": {"effective": 4}}}
    nan, fine = harness.measurements(found)
    assert (nan.value, nan.items, nan.unscored, nan.standard_error) == (None, 0, 4, None)
    assert (fine.value, fine.items, fine.unscored) == (50.0, 4, 0)
    assert lm_eval._first_metric({"metrics": ["acc"], "acc": math.nan}) is None
    assert lm_eval._first_metric({"metrics": ["acc"], "acc": 1}) == 1.0


@pytest.mark.slow
def test_an_unknown_task_is_named(project: Path) -> None:
    with pytest.raises(ConfigError, match="no task mini_nothing"):
        harness.run(
            tiny_bases.base("llama"), tiny_bases.tokenizer("llama"), ["mini_nothing"],
            task_folder=project / "assets" / "harness", shots=None, limit=None, batch_size=4,
            seed=0,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("base", ["mini_llama", "mini_bloom"])
def test_local_tasks_fill_the_rows_of_a_trained_cell(
    base: str, project: Path, tmp_path: Path
) -> None:
    from whole.test_shared_base import made

    words = [f"model={base}", "eval=lm_eval"]
    cell = made(project, tmp_path, *words, "eval.tasks=[mini_sums,mini_kinds]", asked=())
    pipeline.run(cell, should_stop=lambda: False)
    assert state.is_finished(cell)
    run = RunDirectory(cell.directory)
    found = {(row["category"], row["metric"]): row for row in rows.metric_rows([run])}
    assert set(found) == {(t, m) for t in ("mini_sums", "mini_kinds") for m in ("acc", "acc_norm")}
    assert found["mini_sums", "acc"]["items"] == 24
    assert found["mini_kinds", "acc"]["items"] == 6
    assert {row["benchmark"] for row in found.values()} == {"lm_eval"}
    (path,) = (run.path / run_files.PREDICTIONS).glob("*.jsonl")
    samples = list(json_files.read_json_lines(path))
    assert len(samples) == 30
    right = [sample["acc"] for sample in samples if sample["task"] == "mini_sums"]
    assert found["mini_sums", "acc"]["value"] == pytest.approx(100 * sum(right) / 24)
    # Another set of tasks is another scoring, and nothing is trained again.
    other = made(project, tmp_path, *words, "eval.tasks=[mini_kinds]", asked=())
    assert other.train_id == cell.train_id
    assert not state.is_finished(other)
