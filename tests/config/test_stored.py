"""Settings that earlier versions stored come back in their present form."""

from __future__ import annotations

import copy

from tunegrid.config.functions import HASHED_AS
from tunegrid.config.stored import present_form

OLD = {
    "peft": {"name": "lora", "function": "tunegrid.methods.library.attach"},
    "judge": {"name": "own", "function": "reference.build"},
    "eval": {
        "name": "mini",
        "limit": 5,
        "belle": {"function": "tunegrid.benchmarks.belle.read", "path": "x"},
        "mmcu": None,
        "others": {"own": {"function": "own.read", "path": "y"}, "none": None},
    },
}
PRESENT = {
    "peft": {"name": "lora", "function": "library.attach"},
    "judge": {"name": "own", "function": "reference.build"},
    "eval": {
        "name": "mini",
        "limit": 5,
        "benchmarks": {
            "belle": {"function": "belle.read", "path": "x"},
            "own": {"function": "own.read", "path": "y"},
        },
    },
}


def test_functions_and_benchmarks_get_their_present_names() -> None:
    before = copy.deepcopy(OLD)
    assert present_form(OLD) == PRESENT
    assert before == OLD


def test_present_settings_come_back_as_they_are() -> None:
    assert present_form(PRESENT) == PRESENT


def test_every_function_that_was_ever_stored_has_a_present_name() -> None:
    assert HASHED_AS
    for present, dotted in HASHED_AS.items():
        assert present_form({"judge": {"function": dotted}}) == {"judge": {"function": present}}


def test_a_cell_without_evaluation_has_none() -> None:
    assert present_form({"eval": None, "seed": 0}) == {"eval": None, "seed": 0}
