"""Facts found out in another process: kept, shared, and what happens to errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.plan import facts as jobs
from tunegrid.plan.facts import Job, facts


def squared(number: int) -> dict[str, Any]:
    import os

    return {"square": number**2, "process": os.getpid()}


def unreadable() -> dict[str, Any]:
    raise DataError("line 3 is no record")


def broken() -> dict[str, Any]:
    raise OSError("the file server is away")


def test_each_fact_is_found_out_once_elsewhere_and_kept(tmp_path: Path) -> None:
    import os

    three, again = Job("square", [3], squared, (3,)), Job("square", [3], squared, (3,))
    four = Job("square", [4], squared, (4,))
    found = facts([three, again, four], tmp_path)
    assert {fact["square"] for fact in found.values()} == {9, 16}
    assert found
    assert all(fact["process"] != os.getpid() for fact in found.values())
    assert facts([again], tmp_path) == {three.name: found[three.name]}
    assert len(list((tmp_path / jobs.DIRECTORY).iterdir())) == 2


def test_a_refusal_is_kept_and_an_error_that_may_pass_is_not(tmp_path: Path, here: None) -> None:
    refused, passing = Job("x", [1], unreadable, ()), Job("x", [2], broken, ())
    found = facts([refused, passing], tmp_path)
    assert found[refused.name] == {"refused": "line 3 is no record"}
    assert "file server" in found[passing.name]["refused"]
    [kept] = (tmp_path / jobs.DIRECTORY).iterdir()
    assert kept.stem == refused.name


def test_results_that_cannot_be_written_keep_nothing_and_fail_nothing(
    tmp_path: Path, here: None
) -> None:
    (tmp_path / "results").write_text("a file")
    [fact] = facts([Job("square", [3], squared, (3,))], tmp_path / "results").values()
    assert fact["square"] == 9
