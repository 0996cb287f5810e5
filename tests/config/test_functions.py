"""Names in YAML become functions of their group's package, and of nothing else."""

from __future__ import annotations

import sys

import pytest

from tunegrid.config import functions
from tunegrid.config.errors import ConfigError


@pytest.mark.parametrize("group", functions.PACKAGES)
def test_the_example_of_each_group_is_found(group: str) -> None:
    found = functions.find_function(group, functions.EXAMPLES[group])
    assert callable(found)
    assert found.__module__.startswith(functions.PACKAGES[group])


@pytest.mark.parametrize(
    "name", ["os.system", "subprocess.run", "tunegrid.cli.main.main", "..secret.x", "attach", ""]
)
def test_nothing_outside_of_the_package_is_called(name: str) -> None:
    with pytest.raises(ConfigError):
        functions.find_function("peft", name)


def test_a_module_outside_is_not_even_imported() -> None:
    name = "antigravity"
    assert name not in sys.modules
    with pytest.raises(ConfigError):
        functions.find_function("judge", f"{name}.build")
    assert name not in sys.modules


@pytest.mark.parametrize(
    ("name", "expected"), [("librery.attach", "library"), ("library.atach", "attach")]
)
def test_a_misspelled_name_has_a_suggestion(name: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{expected}"):
        functions.find_function("peft", name)


def test_what_stands_in_identities_never_changes() -> None:
    assert functions.hashed_name("library.attach") == "tunegrid.methods.library.attach"
    assert functions.hashed_name("own.attach") == "own.attach"
    assert functions.hashed_name(None) is None
    assert len(set(functions.HASHED_AS.values())) == len(functions.HASHED_AS)


def test_the_nearest_name_is_close_or_none() -> None:
    assert functions.nearest("mmuc", ["belle", "mmcu"]) == "mmcu"
    assert functions.nearest("zzz", ["belle", "mmcu"]) is None
    said = functions.suggestion("mmuc", ["belle", "mmcu"])
    assert "did you mean 'mmcu'?" in said
    assert "belle" in said


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"replies": "x", "repeets": 2}, "repeats"),
        ({}, "replies"),
    ],
)
def test_options_are_bound_to_the_signature(options: dict[str, object], expected: str) -> None:
    found = functions.option_problems("judge", "judge", "recorded.build", options, ())
    assert found
    assert expected in " ".join(found)
