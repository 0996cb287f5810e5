"""Ranges stand beside the settings, and every one of them is checked."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Le, Lt
from omegaconf import OmegaConf

from tunegrid.config.ranges import accepted_values, range_problems
from tunegrid.config.schema import BenchmarkConfig, CellConfig, CollectionConfig, TrainConfig


def config() -> CellConfig:
    made = CellConfig()
    made.data.collections = {"one": CollectionConfig(name="one")}
    made.eval.benchmarks = {"quiz": BenchmarkConfig("quiz.read", "x"), "none": None}
    return made


def ranged(holder: Any, place: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Yield the place of every setting with a range, and its constraints."""
    hints = typing.get_type_hints(type(holder), include_extras=True)
    for field in dataclasses.fields(holder):
        value = getattr(holder, field.name)
        if dataclasses.is_dataclass(value):
            yield from ranged(value, f"{place}{field.name}.")
        elif isinstance(value, dict):
            for key, one in value.items():
                if dataclasses.is_dataclass(one):
                    yield from ranged(one, f"{place}{field.name}.{key}.")
        for hint in (hints[field.name], *typing.get_args(hints[field.name])):
            if typing.get_origin(hint) is Annotated:
                yield place + field.name, list(typing.get_args(hint)[1:])


RANGED = sorted(dict(ranged(config())).items())


def put(holder: Any, place: str, value: Any) -> None:
    *parents, last = place.split(".")
    for name in parents:
        holder = holder[name] if isinstance(holder, dict) else getattr(holder, name)
    setattr(holder, last, value)


def test_many_settings_have_a_range() -> None:
    names = [place for place, _ in RANGED]
    assert len(names) > 35
    assert {"train.epochs", "seed", "data.collections.one.count"} <= set(names)
    assert "eval.benchmarks.quiz.max_new_tokens" in names


@pytest.mark.parametrize(("place", "constraints"), RANGED)
def test_values_at_and_beyond_each_bound(place: str, constraints: list[Any]) -> None:
    bounds = 0
    for one in constraints:
        if not isinstance(one, Ge | Gt | Le | Lt):
            continue
        bounds += 1
        [bound] = dataclasses.astuple(one)
        outside = bound - 1 if isinstance(one, Ge | Gt) else bound + 1
        made = config()
        put(made, place, outside)
        [problem] = range_problems(made)
        assert problem.startswith(f"{place} is {outside}; give ")
        put(made, place, bound)
        assert bool(range_problems(made)) is isinstance(one, Gt | Lt)
    assert bounds > 0


def test_all_problems_at_once_and_defaults_have_none() -> None:
    made = config()
    assert range_problems(made) == []
    made.train.epochs, made.seed, made.eval.limit = 0.0, -1, 0
    assert len(range_problems(made)) == 3


def test_what_is_no_number_is_out_of_range() -> None:
    made = config()
    made.train.learning_rate = float("nan")
    assert range_problems(made) == ["train.learning_rate is nan; give a number above 0"]


@pytest.mark.parametrize(
    ("constraints", "may_be_none", "words"),
    [
        ([Ge(1)], False, "1 or more"),
        ([Gt(0)], True, "a number above 0, or null"),
        ([Ge(1), "for all items"], True, "1 or more, or null for all items"),
        ([Gt(0), "1.0 changes nothing"], False, "a number above 0 (1.0 changes nothing)"),
        ([Ge(0), Lt(1)], False, "a share from 0 to below 1"),
        ([Gt(0), Le(1)], False, "a share above 0 and up to 1"),
        ([Ge(0), Le(9)], False, "a number from 0 to 9"),
    ],
)
def test_a_range_in_words(constraints: list[Any], may_be_none: bool, words: str) -> None:
    assert accepted_values(constraints, may_be_none) == words


def test_omegaconf_takes_the_annotated_schema() -> None:
    made = OmegaConf.merge(OmegaConf.structured(TrainConfig), {"name": "x", "max_steps": 7})
    plain = OmegaConf.to_object(made)
    assert isinstance(plain, TrainConfig)
    assert plain.max_steps == 7
    assert range_problems(plain, "train.") == []
    plain.max_steps = 0
    assert range_problems(plain, "train.") == [
        "train.max_steps is 0; give 1 or more, or null for train.epochs"
    ]
