"""Names that become parts of file names stay in their directory."""

from __future__ import annotations

import pytest

from tunegrid.config.names import name_problem, reads_as_missing


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


@pytest.mark.parametrize("name", ["NA", "null", "nan", "NaN", "None", "N/A", "n/a", "NULL", "<NA>"])
def test_what_pandas_takes_for_missing_is_refused(name: str) -> None:
    import io

    import pandas as pd

    assert pd.read_csv(io.StringIO(f'base,x\n"{name}",1\n'))["base"].isna().all()
    problem = reads_as_missing("model.name", name)
    assert problem is not None
    assert problem.startswith(f"model.name is {name!r}")


@pytest.mark.parametrize("name", ["none", "Nanking", "nano", "null-1", "NAS", "llama"])
def test_names_that_pandas_reads_back_are_accepted(name: str) -> None:
    assert reads_as_missing("model.name", name) is None
