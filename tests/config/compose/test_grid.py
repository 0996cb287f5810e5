"""Sweeps: products united, duplicates dropped, nothing excluded by mistake."""

from __future__ import annotations

from typing import Any

import pytest

from tunegrid.config.compose.grid import expand
from tunegrid.config.errors import ConfigError


def test_a_grid_is_a_product_and_a_sweep_a_union() -> None:
    cells = expand([{"a": [1, 2], "b": "x"}, {"a": 2, "b": ["x", "y"]}], [], {})
    assert cells == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]


def test_the_command_line_replaces_choices_and_adds_some() -> None:
    cells = expand([{"a": [1, 2]}], [], {"a": ["3"], "seed": ["0", "1"]})
    assert cells == [{"a": "3", "seed": "0"}, {"a": "3", "seed": "1"}]


def test_an_exclusion_leaves_out_what_agrees_with_all_of_it() -> None:
    cells = expand([{"a": [1, 2], "b": ["x", "y"]}], [{"a": 2, "b": ["y", "z"]}], {})
    assert {"a": 2, "b": "y"} not in cells
    assert len(cells) == 3


@pytest.mark.parametrize(
    ("grids", "exclude", "expected"),
    [
        ([{"a": [1]}], [{"a": 2}], "excludes none of the 1 cells"),
        ([{"a": [1]}], [{}], "excludes none"),
        ([{"a": []}], [], "no cells"),
        ([{"a": [1]}], [{"a": 1}], "no cells"),
    ],
)
def test_refused(grids: list[Any], exclude: list[Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        expand(grids, exclude, {})
