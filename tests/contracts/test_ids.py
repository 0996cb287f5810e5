"""No change of the program gives a cell, a prediction or a score another name unmeant."""

from __future__ import annotations

import json

import pytest

from contracts import ids

GOLDEN = json.loads(ids.GOLDEN.read_text(encoding="utf-8"))


def test_the_golden_file_holds_every_sweep_and_group_file() -> None:
    assert set(GOLDEN["sweeps"]) <= {path.stem for path in (ids.PROJECT / "sweeps").glob("*.yaml")}
    assert len(GOLDEN["sweeps"]) >= 22
    assert len(GOLDEN["conf"]) >= 100
    names = [name for cells in GOLDEN["sweeps"].values() for one in cells.values() for name in one]
    assert len(set(names)) > 350


QUICK = {"base_models", "mini_peft_methods", "mini_value_alignment", "precision"}
"""The others take half a minute together; `test_sweeps.py` composes all of them too."""


@pytest.mark.parametrize(
    "sweep",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in GOLDEN["sweeps"]
    ],
)
def test_names_in_sweeps_are_as_they_were(sweep: str) -> None:
    assert ids.of_sweep(sweep) == GOLDEN["sweeps"][sweep]


@pytest.mark.slow
def test_names_of_group_files_are_as_they_were() -> None:
    found = ids.of_group_files()
    assert {words: found.get(words) for words in GOLDEN["conf"]} == GOLDEN["conf"]
