"""`model=path model.path=<folder>` is the whole command, for every family."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from doubles import families
from tunegrid.cells import pipeline
from tunegrid.cells.identity import Cell
from tunegrid.cli.run import from_composed
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

ROWS = [{"instruction": f"fox {n}", "input": "", "output": f"dog {n}"} for n in range(8)]
SMALL = [
    "train.max_steps=2", "train.examples_per_step=4", "train.max_length_tokens=256",
    "eval.limit=4", "eval.decoding.max_new_tokens=4", "eval.benchmarks.belle.max_new_tokens=4",
    "eval.benchmarks.mmcu.max_new_tokens=4", "runtime.device=cpu", "runtime.progress=false",
    "prompt.with_input='{instruction}{input}'", "prompt.without_input='{instruction}'",
]  # fmt: skip


@pytest.fixture
def cell(project: Path, tmp_path: Path) -> Callable[..., Cell]:
    """Composes a cell as `python run.py` does."""
    ConfigStore.instance().store(name="schema", node=CellConfig)
    (tmp_path / "data.json").write_text(json.dumps(ROWS), encoding="utf-8")

    def of(*words: str) -> Cell:
        data = ["data=files", f"data.files=[{tmp_path / 'data.json'}]"]
        results = f"runtime.results={tmp_path / 'results'}"
        with initialize_config_dir(str(project / "conf"), version_base="1.3"):
            composed = compose("config", overrides=[*SMALL, *data, results, *words])
        return from_composed(composed, project, tmp_path)

    return of


@pytest.mark.parametrize("family", [*families.OF_2023, *families.NATIVE])
def test_a_folder_is_all_a_cell_needs(
    cell: Callable[..., Cell], tmp_path: Path, family: str
) -> None:
    families.write(family, tmp_path)
    made = cell("model=path", f"model.path=./{family}")
    assert made.config.model.name == family
    pipeline.run(made, lambda: False)
    run = RunDirectory(made.directory)
    report = run.read(run_files.TRAINED)
    assert report["steps"] == 2
    assert report["changed_share"] > 0.9
    results = run.read(run_files.RESULTS)
    assert len(results["scores"]) == 2
    # Another path to the same files is the same cell.
    assert cell("model=path", f"model.path={tmp_path / family}").hash == made.hash


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "has no config.json"),
        ("{", "is no JSON"),
        ("{}", "names no `model_type`"),
        ('{"model_type": "no_such_thing"}', "model_type"),
        ('{"model_type": "t5"}', "not a causal language model"),
    ],
)
def test_a_folder_that_is_no_base_says_what_it_lacks(
    cell: Callable[..., Cell], tmp_path: Path, content: str | None, expected: str
) -> None:
    (tmp_path / "base").mkdir()
    if content is not None:
        (tmp_path / "base" / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        cell("model=path", "model.path=./base")


def test_what_is_given_is_kept_and_a_path_must_be(
    cell: Callable[..., Cell], tmp_path: Path
) -> None:
    families.write("qwen3", tmp_path)
    words = ["model=path", "model.path=qwen3", "model.name=mine", "model.dtype=float16"]
    made = cell(*words, "model.attention_modules=[k_proj]")
    assert made.config.model.name == "mine"
    assert made.config.model.dtype.value == "float16"
    assert made.config.peft.options["target_modules"] == ["k_proj"]
    with pytest.raises(ConfigError, match=r"model\.path must be given"):
        cell("model=path")
    with pytest.raises(ConfigError, match="nothing lies at"):
        cell("model=path", "model.path=./nowhere/at/all")


def test_a_hub_that_cannot_be_reached_is_said_with_its_cache(
    cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        ConfigError, match=r"not in the hub's cache on this machine \(.*hf download"
    ):
        cell("model=path", "model.path=someone/some-base")
