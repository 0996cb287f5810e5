"""Every sweep file expands into cells that pass the checks, and none is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from tunegrid import cell as cells
from tunegrid import grid, preflight
from tunegrid.schema import CellConfig
from tunegrid.tables.methods import STUDY

PROJECT = Path(__file__).resolve().parents[1]
SWEEPS = sorted(path.stem for path in (PROJECT / "sweeps").glob("*.yaml"))
GIVEN = {
    "peft_methods": [
        "data.files=[assets/miniature/collections/mini_chinese.json]",
        "eval.belle.path=assets/miniature/belle_eval/eval_set.json",
        "eval.mmcu.path=assets/miniature/mmcu",
    ]
}
"""What a sweep's header says its user gives."""


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    Plugins.instance()
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        yield


@pytest.fixture(autouse=True)
def hub_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_is_within_reach", lambda config: True)


def expanded(name: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the words that all cells of a sweep share, and those of each."""
    sweep: Any = OmegaConf.to_container(OmegaConf.load(PROJECT / "sweeps" / f"{name}.yaml"))
    shared = []
    for entry in sweep.pop("defaults"):
        if isinstance(entry, dict):
            [(group, choice)] = entry.items()
            group = group.removeprefix("override ")
            if not group.startswith("hydra"):
                shared.append(f"{group}={choice}")
    sweeper = sweep.pop("hydra")["sweeper"]
    for group, settings in sweep.items():
        shared += [f"{group}.{setting}={value}" for setting, value in settings.items()]
    return shared, grid.expand(sweeper["grids"], sweeper.get("exclude", []), {})


def cells_of(name: str, results: Path) -> list[cells.Cell]:
    shared, each = expanded(name)
    words = [*shared, *GIVEN.get(name, []), f"runtime.results={results}"]
    return [
        cells.from_composed(
            compose("config", overrides=[*words, *(f"{k}={v}" for k, v in cell.items())]),
            PROJECT,
            PROJECT,
        )
        for cell in each
    ]


def test_the_sweeps_are_all_here() -> None:
    assert {"learning_rates", "mini_peft_methods", "peft_methods"} <= set(SWEEPS)


@pytest.mark.parametrize("name", ["learning_rates", "mini_peft_methods", "peft_methods"])
def test_every_cell_of_a_sweep_can_be_run(name: str, tmp_path: Path) -> None:
    found = cells_of(name, tmp_path)
    assert len({cell.train_id for cell in found}) == len(found)
    methods = [cell.config.peft.name for cell in found]
    if name == "learning_rates":
        assert len(found) == 24
        rates = {cell.identity["train"]["learning_rate"] for cell in found}
        assert rates == {1e-3, 3e-3, 1e-2, 3e-2}
        return
    assert tuple(methods) == STUDY
    # What is compared differs in the method alone.
    others = [{k: v for k, v in cell.identity.items() if k != "peft"} for cell in found]
    assert all(other == others[0] for other in others)
