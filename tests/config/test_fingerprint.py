"""Hashes and canonical JSON: equal values share a text, and nothing unstable gets one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from enum import Enum
from pathlib import Path

import numpy
import pytest

from tunegrid.config.errors import ConfigError
from tunegrid.config.fingerprint import canonical_json, file_sha256, text_sha256


class Colour(Enum):
    red = "r"


@dataclasses.dataclass
class Point:
    y: float
    x: list[int]


def test_the_text_is_fixed_to_the_byte() -> None:
    value = {"b": [1, 1.0, 1e-8, True, None], "a": {"z": "中", "Z": ("x",)}, "": Colour.red}
    assert canonical_json(value) == (
        '{"":"r","a":{"Z":["x"],"z":"\\u4e2d"},"b":[1,1.0,1e-08,true,null]}'
    )


def test_order_of_keys_does_not_matter_and_order_of_items_does() -> None:
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})
    assert canonical_json([1, 2]) != canonical_json([2, 1])


def test_an_integer_is_not_a_float_nor_a_boolean() -> None:
    assert len({canonical_json(v) for v in (1, 1.0, True, "1")}) == 4


def test_a_dataclass_is_its_fields() -> None:
    assert canonical_json(Point(0.5, [3])) == '{"x":[3],"y":0.5}'


def test_a_float_of_numpy_is_written_as_the_number_it_is() -> None:
    assert canonical_json(numpy.float64(0.1)) == "0.1"


def test_the_text_is_json_that_gives_the_value_back() -> None:
    value = {'quote"\\': ["\n\t", "é", "😀"], "n": [0.1 + 0.2, -0.0, 2**70]}
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        {1: "a"},
        {None: "a"},
        {Colour.red: "a"},
        {1, 2},
        Path("a"),
        b"a",
        1j,
        Point,
        object(),
        [{"a": [math.nan]}],
    ],
)
def test_a_value_without_a_stable_form_is_refused(value: object) -> None:
    with pytest.raises(ConfigError):
        canonical_json(value)


def test_all_unstable_places_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        canonical_json({"peft": {"options": [1, {3}]}, "train": {"rate": math.nan, 7: 1}})
    message = str(caught.value)
    for place in ("peft.options[1]", "train.rate", "key 7", "3 problems"):
        assert place in message


def test_hashes_are_those_of_sha256(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    content = bytes(range(256)) * 8200  # two chunks and a rest
    file.write_bytes(content)
    assert file_sha256(file) == hashlib.sha256(content).hexdigest()
    assert text_sha256("中") == hashlib.sha256(b"\xe4\xb8\xad").hexdigest()
    assert text_sha256("\ud800") != text_sha256("\ud801")
