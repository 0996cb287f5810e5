"""One training, answered in several precisions and merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import inference_settings, pipeline, requests, state
from tunegrid.cells.identity import Cell
from tunegrid.cli.run import from_composed
from tunegrid.config.choices import Dtype, Engine, Precision
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig
from tunegrid.models.inference import vllm_engine
from tunegrid.reports.rows import metric_rows
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

WORDS = (
    "train.max_steps=3", "train.examples_per_step=4", "train.learning_rate=0.02", "eval.limit=8",
    "eval.benchmarks.belle.max_new_tokens=12", "eval.benchmarks.mmcu.protocols=[likelihood]",
    "runtime.threads=1", "runtime.progress=false",
)  # fmt: skip


def made(project: Path, results: Path, *words: str) -> Cell:
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        composed = compose("config", overrides=[*WORDS, *words, f"runtime.results={results}"])
    return from_composed(composed, project, project)


def predictions(cell: Cell) -> dict[str, list[dict[str, Any]]]:
    """The records of each benchmark as the cell asks them."""
    run = RunDirectory(cell.directory)
    return {
        one.name: run.read_lines(f"{run_files.PREDICTIONS}/{one.prediction_id}.jsonl")
        for one in requests.requests_of(cell)
    }


def log_likelihoods(records: list[dict[str, Any]]) -> list[float]:
    return [choice["log_likelihood"] for record in records for choice in record["likelihoods"]]


@pytest.mark.slow
def test_one_training_is_answered_in_many_ways(project: Path, tmp_path: Path) -> None:
    ways = {
        "": made(project, tmp_path),
        "merged": made(project, tmp_path, "eval.merged=true"),
        "nf4": made(project, tmp_path, "eval.precision=nf4"),
        "bf16 merged": made(project, tmp_path, "eval.precision=bf16", "eval.merged=true"),
    }
    assert len({cell.train_id for cell in ways.values()}) == 1
    for cell in ways.values():
        assert not state.is_finished(cell)
        pipeline.run(cell, should_stop=lambda: False)
    assert all(state.is_finished(cell) for cell in ways.values())
    run = RunDirectory(ways[""].directory)
    assert [line["what"] for line in run.read_lines(run_files.ATTEMPTS)].count("trained") == 1
    rows = metric_rows([run])
    assert {row["inference_precision"] for row in rows} == set(ways)

    own = predictions(ways[""])
    merged = predictions(ways["merged"])
    assert [r["text"] for r in merged["belle"]] == [r["text"] for r in own["belle"]]
    exact = log_likelihoods(own["mmcu"])
    assert log_likelihoods(merged["mmcu"]) == pytest.approx(exact, abs=1e-3)
    for way in ("nf4", "bf16 merged"):
        rounded = log_likelihoods(predictions(ways[way])["mmcu"])
        assert rounded != pytest.approx(exact, abs=1e-3)
        assert rounded == pytest.approx(exact, abs=3.0)


def test_as_trained_means_the_names_of_before(project: Path, tmp_path: Path) -> None:
    plain = made(project, tmp_path)
    assert inference_settings.is_as_trained(plain.config)
    assert inference_settings.facts(plain.config) == {}
    assert inference_settings.held(plain.config) == plain.config.quantization
    other = made(project, tmp_path, "eval.precision=int8")
    held = inference_settings.held(other.config)
    assert (held.name, held.precision, held.dtype) == ("int8", Precision.int8, Dtype.float32)
    first, second = requests.requests_of(plain), requests.requests_of(other)
    assert not {a.prediction_id for a in first} & {a.prediction_id for a in second}


def test_another_engine_names_its_answers_and_no_training(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No machine of the tests could run it; what is refused is tested beside the engine.
    monkeypatch.setattr(vllm_engine, "problems", lambda config: ())
    plain = made(project, tmp_path)
    assert made(project, tmp_path, "eval.engine=transformers") == plain
    other = made(project, tmp_path, "eval.engine=vllm")
    assert inference_settings.label(plain.config) == ""
    assert inference_settings.label(other.config) == "vllm"
    assert inference_settings.facts(other.config) == {"engine": Engine.vllm}
    assert other.train_id == plain.train_id
    first, second = requests.requests_of(plain), requests.requests_of(other)
    assert not {a.prediction_id for a in first} & {a.prediction_id for a in second}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["peft=none", "eval.merged=true"], "choose quantization="),
        (["peft=full", "eval.precision=nf4"], "packed weights are whole numbers"),
        (["peft=pissa", "eval.precision=bf16"], "takes its start out of the base"),
        (["peft=prefix_tuning", "eval.merged=true"], "eval: "),
        (["eval.engine=vllm", "runtime.device=cpu"], "eval.engine=vllm needs a GPU"),
    ],
)
def test_refused(project: Path, tmp_path: Path, words: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        made(project, tmp_path, *words)
