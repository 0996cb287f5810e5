"""A sweep with too many cells is refused by counting, not by writing them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunegrid.config.compose import grid, sweep_file
from tunegrid.config.compose.sweep_file import Sweep, expanded
from tunegrid.config.errors import ConfigError


class NoLoader:
    """Stands for Hydra's loader where no group is looked up."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not needed to count")


@pytest.mark.parametrize(
    ("grids", "choices"),
    [
        ([], {"seed": ["0", "1", "2"]}),
        ([{"peft": ["lora", "ia3"], "seed": [0, 1]}], {}),
        ([{"peft": ["lora", "ia3"]}, {"peft": "full"}], {"seed": ["0", "1"]}),
        ([{"peft": ["lora", "ia3"], "seed": [0, 1]}], {"seed": ["5"]}),
        ([{"peft": ["lora", "lora"]}], {}),
    ],
)
def test_the_count_is_that_of_the_written_out_cells(
    grids: list[dict[str, Any]], choices: dict[str, list[str]]
) -> None:
    assert grid.count(grids, choices) == len(grid.expand(grids, [], choices)) > 0


def test_a_setting_with_one_value_for_all_cells_is_no_axis() -> None:
    assert grid.count([{"peft": ["lora", "ia3"], "seed": [0, 1, 2]}], {}, {"seed"}) == 2


def test_too_many_cells_are_refused_before_any_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(*_: Any) -> None:
        raise AssertionError("cells were written out")

    monkeypatch.setattr(sweep_file, "checked_words", written)
    monkeypatch.setattr(grid, "expand", written)
    sweep = Sweep("big", [{"seed": list(range(300)), "train.max_steps": list(range(1, 11))}], [])
    with pytest.raises(ConfigError, match=r"3,000 cells.*runtime\.max_cells=2000"):
        expanded(sweep, [], NoLoader(), [tmp_path], tmp_path, most=2000)


def test_exclusions_may_bring_a_sweep_below_the_limit(project: Path) -> None:
    sweep = Sweep("some", [{"seed": [0, 1, 2], "peft": ["lora", "ia3"]}], [{"peft": "ia3"}])
    assert len(expanded(sweep, [], NoLoader(), [], project / "conf", most=3)) == 3
    with pytest.raises(ConfigError, match=r"3 cells.*runtime\.max_cells=2;"):
        expanded(sweep, [], NoLoader(), [], project / "conf", most=2)
