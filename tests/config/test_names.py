"""Names that become parts of file names stay in their directory."""

from __future__ import annotations

import pytest

from tunegrid.config.names import name_problem


@pytest.mark.parametrize("name", ["belle", "mmcu_5", "C-Eval", "测试", "v1.2", "_x", "a" * 100])
def test_ordinary_names_are_accepted(name: str) -> None:
    assert name_problem("eval.benchmarks", name) is None


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "~", "a b", "a\n", "\0", "-rf", ".x", "a" * 101,
     "x/../../y"],
)  # fmt: skip
def test_what_could_leave_the_directory_is_refused(name: str) -> None:
    problem = name_problem("judge.name", name)
    assert problem is not None
    assert problem.startswith("judge.name is ")
    assert len(problem) < 300
