"""Every YAML under conf/ composes into a cell that passes the checks, and none is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from tunegrid.cells import check, preflight
from tunegrid.cli import run
from tunegrid.config.compose import typed
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import project_directory
from tunegrid.config.schema import CellConfig
from tunegrid.models.bases import unnamed

CONF = project_directory() / "conf"
CHOICES = sorted((str(file.parent.relative_to(CONF)), file.stem) for file in CONF.rglob("*.yaml"))
GROUPS = [pair for pair in CHOICES if pair[0] != "." and not pair[0].startswith("hydra")]
PAPER = [
    "eval.benchmarks.belle.path=assets/miniature/belle_eval/eval_set.json",
    "eval.benchmarks.mmcu.path=assets/miniature/mmcu",
]
# What a choice needs that only its user can give.
GIVEN = {
    ("data", "raw_text"): ["data.collections.text.files=[README.md]"],
    ("model", "path"): ["model.path=assets/miniature/llama"],
    ("model", "api"): [
        "peft=none",
        "model.options.base_url=http://127.0.0.1:8000/v1",
        "model.options.model=api",
    ],
    ("data", "files"): ["data.files=[assets/miniature/collections/mini_chinese.json]"],
    ("eval", "belle"): ["eval.benchmarks.belle.path=assets/miniature/belle_eval/eval_set.json"],
    ("eval", "lm_eval"): ["eval.tasks=[mini_sums]"],
    ("eval", "mmcu"): ["eval.benchmarks.mmcu.path=assets/miniature/mmcu"],
    ("eval", "mmcu_likelihood"): ["eval.benchmarks.mmcu.path=assets/miniature/mmcu"],
    ("eval", "paper"): PAPER,
    ("eval", "paper_cot"): PAPER,
    ("eval", "paper_sampled"): PAPER,
    ("judge", "local"): ["++judge.options.path=assets/miniature/llama"],
    ("judge", "openai"): [
        "++judge.options.base_url=http://127.0.0.1:8000/v1",
        "++judge.options.model=tiny",
    ],
    ("judge", "recorded"): ["++judge.options.replies=assets/harness/mini_sums.jsonl"],
    ("peft", "bitfit"): ["model=mini_bloom"],
    ("peft", "qlora"): ["quantization=nf4"],
    ("train", "paper"): ["data.validation_examples=10"],
}


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    Plugins.instance()
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@pytest.fixture(autouse=True)
def hub_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bases on the hub are checked as if it answered: no test has a network."""
    monkeypatch.setattr(preflight, "_is_within_reach", lambda config: True)
    monkeypatch.setattr(check, "commit_of", lambda repository, revision: "c" * 40)


def cell_of(overrides: list[str], project: Path, results: Path) -> check.Cell:
    words = [*overrides, f"runtime.results={results}"]
    return run.from_composed(compose("config", overrides=words), project, project)


def test_the_choices_are_all_here() -> None:
    """A new YAML raises this count: that its test below runs is then known."""
    assert len(GROUPS) >= 217


@pytest.mark.parametrize(("group", "choice"), GROUPS)
def test_composes_and_passes(group: str, choice: str, project: Path, tmp_path: Path) -> None:
    if group == "data/collection":
        words = [f"+data/collection@data.collections.{choice}={choice}", "data=files"]
    else:
        words = [f"{group}={choice}"]
    words += [*GIVEN.get((group, choice), []), f"runtime.results={tmp_path}"]
    composed = compose("config", overrides=words)
    config = typed.typed(composed, unnamed.reader([project]))
    draft = check.drafted(config, project, project)
    cell = draft.cell
    if any("'inputs/" in line for line in draft.absent):
        # The study's inputs are no part of the repository; their places are.
        assert draft.refused == ()
        assert all("'inputs/" in line for line in draft.absent)
    else:
        cell = run.from_composed(composed, project, project)
    if group != "data/collection":
        named = OmegaConf.select(OmegaConf.structured(cell.config), f"{group}.name")
        if (group, choice) == ("model", "path"):
            assert named == "llama", "a base that is given by its path is named by its folder"
        else:
            assert named == choice, "a YAML's name is its file's name"


def test_the_defaults_of_the_schema_stand_there_alone(project: Path, tmp_path: Path) -> None:
    """conf/train/default.yaml sets nothing: two places for one default would drift apart."""
    cell = cell_of(["train=default"], project, tmp_path)
    from tunegrid.config.schema import TrainConfig

    assert cell.config.train == TrainConfig(name="default")


def test_what_must_be_given_is_asked_for_with_an_example(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"benchmarks\.belle\.path must be given: add.*ODC-By"):
        cell_of(["eval=belle"], project, tmp_path)
    with pytest.raises(ConfigError, match=r"data\.files=\[a\.json,b\.json\]"):
        cell_of(["data=files"], project, tmp_path)


def test_a_missing_file_is_named_with_where_it_was_looked_for(
    project: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        cell_of(["data=files", "data.files=[no.json]", "model.path=./no"], project, tmp_path)
    assert "data.files: nothing lies at 'no.json' (looked in" in str(refused.value)
    assert "model.path: nothing lies at './no'" in str(refused.value)


def test_all_study_settings(project: Path, tmp_path: Path) -> None:
    cell = cell_of(["train=paper", "data.validation_examples=10"], project, tmp_path)
    train = cell.config.train
    assert (train.epochs, train.examples_per_step, train.learning_rate) == (3, 128, 3e-4)
    assert (train.max_length_tokens, train.keep_best) == (512, True)
