"""The stranger's map, docs/architecture.md, is that of the code."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib

import pytest

from tunegrid.config.project import project_directory

PROJECT = project_directory()
PAGE = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^\d+\. (.*)$", PAGE, re.MULTILINE)
NAMED = re.findall(r"`(tunegrid(?:\.\w+)+)`", PAGE)


def test_one_cell_goes_from_command_to_row_in_at_most_fifteen_steps() -> None:
    assert 10 <= len(STEPS) <= 15
    assert all(re.match(r"`tunegrid\.\w+\.[\w.]+`", step) for step in STEPS)


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_every_name_on_the_page_exists(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), attribute))


def test_the_rooms_of_the_page_are_those_of_the_contract() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    [layers] = [one["layers"] for one in contracts if one["type"] == "layers"]
    rooms = [room.strip() for level in layers for room in level.split("|")]
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == rooms
    assert len(rooms) == 12


def test_the_picture_has_the_arrows_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, "docs/draw_architecture.py", "--check"],
        cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
