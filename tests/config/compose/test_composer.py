"""Cells put together from parts are the cells that Hydra composes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from tunegrid.config.compose.composer import Composer, strict
from tunegrid.config.compose.sweep_file import CellOverrides, Sweep, expanded, included, word
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import project_directory
from tunegrid.config.schema import CellConfig
from tunegrid.launch.sweep_cells import planned_cells, sweep_of

SWEEPS = sorted(path.stem for path in (project_directory() / "sweeps").glob("*.yaml"))


@contextmanager
def opened(project: Path, sweep: str, folder: Path) -> Iterator[tuple[Any, Any]]:
    """Hydra's loader and what it composed for a sweep file."""
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with initialize_config_dir(str(folder), version_base="1.3"):
        master = compose(
            sweep,
            overrides=[f"hydra.searchpath=[file://{project / 'conf'}]"],
            return_hydra_config=True,
        )
        master.hydra.job.config_name = sweep
        yield GlobalHydra.instance().config_loader(), master


def words_of(project: Path, sweep: str, folder: Path, *arguments: str) -> list[CellOverrides]:
    with opened(project, sweep, folder) as (loader, master):
        return expanded(sweep_of(master), list(arguments), loader, [folder], project / "conf")


QUICK = {"chain_of_thought", "mini_instruction_data", "mini_study", "precision"}


def test_the_quick_sweeps_are_here() -> None:
    assert set(SWEEPS) >= QUICK
    assert len(SWEEPS) >= 22


@pytest.mark.parametrize(
    "sweep", [pytest.param(s, marks=() if s in QUICK else pytest.mark.slow) for s in SWEEPS]
)
def test_parts_give_the_whole(project: Path, sweep: str) -> None:
    folder = project / "sweeps"
    with opened(project, sweep, folder) as (loader, master):
        arguments = ["train.max_length_tokens=200"]
        words = expanded(sweep_of(master), arguments, loader, [folder], project / "conf")
        composer = Composer(loader, master)
        for one in {words[0], words[len(words) // 2], words[-1]}:
            assembled = composer.compose(one.fixed, one.varied)
            whole = strict(loader.load_sweep_config(master, one.all))
            assert OmegaConf.to_container(assembled, enum_to_str=True) == OmegaConf.to_container(
                whole, enum_to_str=True
            )
            assert OmegaConf.to_object(assembled) == OmegaConf.to_object(whole)


def test_options_and_later_values_win(project: Path) -> None:
    with opened(project, "mini_peft_methods", project / "sweeps") as (loader, master):
        composer = Composer(loader, master)
        fixed, varied = ["train=paper"], ["peft=lora", "++peft.options.r=7", "train.epochs=9"]
        config = composer.compose(fixed, varied)
        assert config.peft.options.r == 7
        assert config.train.epochs == 9
        assert config.train.name == "paper"
        # The sweep file's own setting is behind the choice of its group.
        assert config.train.checkpoints_per_epoch == 0


FIRST = """
defaults:
  - config
  - override model: mini_bloom
  - _self_
train:
  max_steps: 5
eval:
  tasks: [a, b]
hydra:
  sweeper:
    grids:
      - seed: [0, 1]
        peft: [lora, none]
    exclude:
      - {peft: none, seed: 1}
"""
SECOND = (
    "defaults: [config, _self_]\nhydra: {sweeper: {grids: [{seed: [1, 2], model: mini_bloom}]}}"
)
BOTH = "defaults: [config, _self_]\nhydra: {sweeper: {include: [first, second]}}"


def test_included_sweeps_keep_their_own_settings(project: Path, tmp_path: Path) -> None:
    for name, text in (("first", FIRST), ("second", SECOND), ("both", BOTH)):
        (tmp_path / f"{name}.yaml").write_text(text)
    words = words_of(project, "both", tmp_path, "prompt=chinese")
    assert [one.sweep for one in words] == ["first"] * 3 + ["second"] * 2
    assert all(one.fixed == ("prompt=chinese",) for one in words)
    assert set(words[0].varied) == {
        "model=mini_bloom", "train.max_steps=5", "eval.tasks=[a,b]", "seed=0", "peft=lora",
    }  # fmt: skip
    with opened(project, "both", tmp_path) as (loader, master):
        composer = Composer(loader, master)
        first = composer.compose(words[0].fixed, words[0].varied)
        assert (first.train.max_steps, list(first.eval.tasks)) == (5, ["a", "b"])
        assert composer.compose(words[-1].fixed, words[-1].varied).train.max_steps is None


def test_exclusions_reach_what_is_included(project: Path, tmp_path: Path) -> None:
    for name, text in (("first", FIRST), ("second", SECOND), ("both", BOTH)):
        (tmp_path / f"{name}.yaml").write_text(text)
    with opened(project, "both", tmp_path) as (loader, _):

        def cells(*exclude: dict[str, Any]) -> list[str]:
            sweep = Sweep("both", [], exclude, ["first", "second"])
            return [one.sweep for one in expanded(sweep, [], loader, [tmp_path], project / "conf")]

        assert cells({"seed": 2}, {"peft": "none"}) == ["first"] * 2 + ["second"]
        with pytest.raises(ConfigError, match="excludes none of the 6 cells"):
            cells({"seed": 9})


def test_a_misspelled_or_nested_inclusion_is_refused(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(FIRST)
    (tmp_path / "both.yaml").write_text(BOTH)
    with pytest.raises(ConfigError, match="did you mean 'first'"):
        included("frist", [tmp_path])
    with pytest.raises(ConfigError, match="includes sweeps itself"):
        included("both", [tmp_path])


@pytest.mark.parametrize(
    "value",
    ["1e3", "null", "true", "007", " x ", "a,b", "it's", "数据/甲.json", "#", "C:\\x", "end\\",
     None, 1.5, 3,
     ["1", "a, b"], {"r": 4, "text": "x:y"}],
)  # fmt: skip
def test_a_files_value_arrives_as_it_is(value: Any) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    [override] = OverridesParser.create().parse_overrides([word("some.setting", value)])
    read = override.value()
    plain = OmegaConf.to_container(OmegaConf.create({"v": read}))
    assert plain == {"v": value}


def test_an_idle_exclusion_names_its_sweep(project: Path, tmp_path: Path) -> None:
    sweep = Sweep("mine", [{"seed": [0, 1]}], [{"seed": 3}])
    with (
        opened(project, "mini_peft_methods", project / "sweeps") as (loader, _),
        pytest.raises(ConfigError, match=r"sweep mine: .*excludes none of the 2 cells"),
    ):
        expanded(sweep, [], loader, [tmp_path], project / "conf")


def test_cells_are_planned_without_their_inputs(project: Path, tmp_path: Path) -> None:
    cells = planned_cells("peft_methods", project, [f"runtime.results={tmp_path}"])
    assert len(cells) == 11
    assert len({one.cell.train_id for one in cells}) == 11
    assert all(one.missing for one in cells)
    with pytest.raises(ConfigError, match="did you mean 'peft_methods'"):
        planned_cells("peft_method", project)
