"""Every sweep file expands into cells that pass the checks, and none is left out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins

from tunegrid.cells.check import Draft
from tunegrid.config.compose.composer import Composer
from tunegrid.config.compose.sweep_file import Sweep, expanded
from tunegrid.config.project import project_directory
from tunegrid.config.schema import CellConfig
from tunegrid.launch.sweep_cells import Collector, Member
from tunegrid.reports.methods import STUDY

PROJECT = project_directory()
CONF, FOLDER = PROJECT / "conf", PROJECT / "sweeps"
FILES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

CELLS = {
    "base_models": 16,
    "peft_methods": 11,
    "instruction_data": 13,
    "chain_of_thought": 3,
    "vocabulary": 4,
    "prompt_language": 4,
    "value_alignment": 2,
    "leave_one_out": 3,
    "precision": 9,
    "learning_rates": 24,
    "mini_base_models": 4,
    "mini_peft_methods": 11,
    "mini_instruction_data": 7,
    "mini_chain_of_thought": 3,
    "mini_vocabulary": 2,
    "mini_prompt_language": 4,
    "mini_value_alignment": 2,
    "mini_leave_one_out": 3,
    "mini_precision": 9,
    "mini_learning_rates": 24,
}
"""How many cells each sweep has; `study` and `mini_study` unite the others."""

VARIED = {
    "base_models": {"model", "peft"},
    "peft_methods": {"peft"},
    "instruction_data": {"data", "peft"},
    "chain_of_thought": {"data"},
    "vocabulary": {"model"},
    "prompt_language": {"model", "prompt"},
    "value_alignment": {"data"},
    "leave_one_out": {"data"},
    "precision": {"quantization", "peft"},
    "learning_rates": {"peft", "train"},
}
"""What a sweep compares: all else is the same in its cells."""

MembersOf = Callable[..., list[tuple[Member, Draft]]]


@pytest.fixture(scope="module")
def members_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MembersOf]:
    """A function from the names of sweeps to their cells, as plans see them: no inputs needed."""
    Plugins.instance()
    ConfigStore.instance().store(name="schema", node=CellConfig)
    results = tmp_path_factory.mktemp("results")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        master = compose("config", return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()

        collector = Collector(Composer(loader, master), PROJECT, PROJECT)

        @functools.cache
        def members(*names: str) -> list[tuple[Member, Draft]]:
            sweep = Sweep("config", [], [], names)
            words = expanded(sweep, [f"runtime.results={results}"], loader, [FOLDER], CONF)
            return collector.drafts(words)

        yield members


def parts_of(name: str) -> list[str]:
    """Return the sweeps that a sweep file includes."""
    sweep: Any = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return list(sweep["hydra"]["sweeper"]["include"])


def ids(members: list[tuple[Member, Draft]], trained: bool = False) -> set[str]:
    """Return the names of cells, or of those alone that train something."""
    return {
        member.cell.train_id
        for member, _ in members
        if not trained or member.cell.config.peft.function is not None
    }


def compared(identity: Mapping[str, Any], varied: set[str]) -> dict[str, Any]:
    """Return an identity without what varies; a method names the base's own projections."""
    options = {k: v for k, v in identity["peft"]["options"].items() if k != "target_modules"}
    whole = {**identity, "peft": {**identity["peft"], "options": options}}
    return {part: value for part, value in whole.items() if part not in varied}


def test_the_sweeps_are_all_here() -> None:
    assert set(FILES) == set(CELLS) | {"study", "mini_study"}


def test_every_question_has_its_twin_on_the_miniature() -> None:
    questions = {name for name in FILES if not name.startswith("mini_")}
    assert {f"mini_{name}" for name in questions} == set(FILES) - questions
    assert parts_of("mini_study") == [f"mini_{name}" for name in parts_of("study")]


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_of_a_sweep_can_be_run(name: str, members_of: MembersOf) -> None:
    """What is not here is absent; nothing else is wrong with any of them."""
    found = members_of(name)
    assert len(found) == CELLS[name]
    for member, draft in found:
        model = member.cell.config.model
        assert draft.refused == ()
        if model.where_from is not None:
            assert any(model.where_from in line for line in draft.absent)
        if name.startswith("mini_"):
            assert draft.absent == ()


@pytest.mark.parametrize("name", CELLS)
def test_what_is_compared_differs_in_nothing_else(name: str, members_of: MembersOf) -> None:
    varied = VARIED[name.removeprefix("mini_")]
    trained = [
        member.cell.identity
        for member, _ in members_of(name)
        if member.cell.config.peft.function is not None
    ]
    others = [compared(one, varied) for one in trained]
    assert others
    assert all(other == others[0] for other in others)
    for part in varied - {"peft"}:
        assert len({str(one[part]) for one in trained}) > 1, f"{part} does not vary"


@pytest.mark.parametrize("name", ["peft_methods", "mini_peft_methods"])
def test_the_methods_are_the_rows_of_table_4(name: str, members_of: MembersOf) -> None:
    methods = [member.cell.config.peft.name for member, _ in members_of(name)]
    assert tuple(methods) == STUDY


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("learning_rates", {1e-4, 3e-4, 1e-3, 3e-3}),
        ("mini_learning_rates", {1e-3, 3e-3, 0.01, 0.03}),
    ],
)
def test_the_rates_are_those_that_are_used(
    name: str, rates: set[float], members_of: MembersOf
) -> None:
    found = [member.cell.identity["train"] for member, _ in members_of(name)]
    assert {train["learning_rate"] for train in found} == rates


@pytest.mark.parametrize(
    ("name", "named", "different", "trainings", "untuned"),
    [("study", 65, 55, 41, 10), ("mini_study", 45, 33, 25, 4)],
)
def test_a_study_asks_for_each_cell_once(
    name: str, named: int, different: int, trainings: int, untuned: int, members_of: MembersOf
) -> None:
    """Every table of it is there, and cells that several tables share are one."""
    parts = parts_of(name)
    assert sum(CELLS[part] for part in parts) == named
    found = members_of(*parts)
    assert len(found) == different
    assert sum(len(member.sweeps) for member, _ in found) == named
    assert len(ids(found, trained=True)) == trainings
    assert len(ids(found)) == trainings + untuned


def test_the_studys_own_cell_is_in_nearly_all_its_tables(members_of: MembersOf) -> None:
    """Bloom, LoRA, 8 bit, Alpaca-GPT4-zh and the English prompt: 58.1 and 19.07 throughout."""
    parts = parts_of("study")
    shared = max((member.sweeps for member, _ in members_of(*parts)), key=len)
    assert set(parts) - set(shared) == {"vocabulary", "leave_one_out"}


def test_thinking_first_is_asked_of_a_training_that_is_there(members_of: MembersOf) -> None:
    """The study's CoT* changes the questions alone."""
    for name in ("chain_of_thought", "mini_chain_of_thought"):
        found = members_of(name)
        assert len(ids(found)) == 2
        suffixes = {member.cell.config.eval.prompt_suffix for member, _ in found}
        assert suffixes == {"", "先思考，再决定"}


def test_the_inputs_of_the_study_say_where_they_come_from(members_of: MembersOf) -> None:
    """Each absent file has its source, and each collection the size that plans count with."""
    for member, _ in members_of(*parts_of("study")):
        for name, collection in member.cell.config.data.collections.items():
            assert collection.source is not None, name
            assert len(collection.source.files) == len(collection.files), name
            assert all(
                path == f"inputs/collections/{name}/{Path(there).name}"
                for path, there in zip(collection.files, collection.source.files, strict=True)
            ), name
            assert collection.stated_examples is not None, name
            assert collection.stated_examples > 10_000, name
