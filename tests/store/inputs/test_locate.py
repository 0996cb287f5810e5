"""Paths are found, and what is absent names the command that brings it."""

from __future__ import annotations

from pathlib import Path

from doubles.inputs import with_collection
from tunegrid.config.schema import (
    SourceConfig,
)
from tunegrid.store.inputs import locate


def test_an_absent_input_names_the_command_that_brings_it(tmp_path: Path) -> None:
    made = with_collection(SourceConfig(repository="o/d", files=["a"]), "inputs/a.json")
    (problem,) = locate.resolve_paths(made, (tmp_path,))
    assert problem.endswith("bring it with `tunegrid fetch <sweep>` on a machine with network")
    made.data.collections["stories"].source = None
    (problem,) = locate.resolve_paths(made, (tmp_path,))
    assert "fetch" not in problem
