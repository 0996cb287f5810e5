"""Tables are made from files that are read once, and the cache behind them is never the truth."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from doubles.synthetic_runs import make, write_answers
from tunegrid.reports import index, tables
from tunegrid.store import json_files


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of a run was read."""
    counted: Counter[str] = Counter()

    def counting(real: Any) -> Any:
        def read(path: Path, *arguments: Any, **options: Any) -> Any:
            if "runs" in path.parts:
                counted[str(Path(*path.parts[path.parts.index("runs") + 1 :]))] += 1
            return real(path, *arguments, **options)

        return read

    for name in ("read_text", "read_bytes"):
        monkeypatch.setattr(Path, name, counting(getattr(Path, name)))
    return counted


@pytest.fixture
def results(tmp_path: Path) -> Path:
    base = make(tmp_path, 0, method="none")
    for number in range(1, 4):
        make(tmp_path, number, base=base.name)
    return tmp_path


def predictions(reads: Counter[str]) -> list[int]:
    return [count for name, count in reads.items() if "/predictions/" in name]


def of_run(found: tables.Tables, number: int) -> dict[str, Any]:
    [row] = [row for row in found.runs if row["train_id"].endswith(f"{number:012x}")]
    return row


def test_each_file_of_answers_is_read_once_and_the_second_time_not_at_all(
    results: Path, reads: Counter[str]
) -> None:
    first = tables.write(results)
    assert (len(first.runs), len(first.metrics), first.left_out) == (4, 80, [])
    assert predictions(reads) == [1, 1, 1, 1]
    reads.clear()
    second = tables.write(results)
    assert (second.runs, second.metrics) == (first.runs, first.metrics)
    assert predictions(reads) == []
    assert reads == Counter()


def test_without_the_cache_the_rows_are_the_same(results: Path) -> None:
    with_cache = [tables.write(results) for _ in range(2)][1]
    shutil.rmtree(results / ".cache")
    without = tables.read(results)
    assert (with_cache.runs, with_cache.metrics) == (without.runs, without.metrics)
    assert {row["status"] for row in without.runs} == {"done"}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": 0, "stamp": [], "facts": {}}', '{"format": 1, "facts": 3}', None],
)
def test_a_damaged_or_foreign_cache_is_made_anew(results: Path, content: str | None) -> None:
    right = tables.write(results)
    files = list((results / index.PLACE).iterdir())
    assert len(files) == 8
    for file in files:
        # None: everything is right but the facts themselves.
        hollow = json.loads(file.read_text()) | {"facts": {}}
        file.write_text(json.dumps(hollow) if content is None else content, encoding="utf-8")
    again = tables.write(results)
    assert (again.runs, again.metrics) == (right.runs, right.metrics)
    assert all(json.loads(file.read_text())["facts"] for file in files)


def test_what_has_changed_is_read_again_and_nothing_else(
    results: Path, reads: Counter[str]
) -> None:
    tables.write(results)
    reads.clear()
    run = results / "runs" / f"cell-lora-{1:012x}"
    report = json.loads((run / "train.json").read_text())
    reads.clear()
    (run / "train.json").write_text(json.dumps(report | {"suspect": ["it diverged"]}))
    found = tables.write(results)
    assert "it diverged" in of_run(found, 1)["suspect"]
    assert of_run(found, 2)["suspect"] == ""
    assert {name.split("/")[0] for name in reads} == {run.name}
    assert predictions(reads) == []


def test_answers_that_equal_the_bases_are_seen_whichever_changes(results: Path) -> None:
    base = results / "runs" / f"cell-none-{0:012x}"
    run = results / "runs" / f"cell-lora-{1:012x}"
    assert of_run(tables.write(results), 1)["suspect"] == ""
    write_answers(run, "answers of 0")
    assert "equals the untuned base's" in of_run(tables.write(results), 1)["suspect"]
    write_answers(base, "something else altogether")
    assert of_run(tables.write(results), 1)["suspect"] == ""


def test_a_run_that_vanished_has_no_row_and_one_that_came_has_one(results: Path) -> None:
    tables.write(results)
    shutil.rmtree(results / "runs" / f"cell-lora-{1:012x}")
    make(results, 7)
    found = tables.write(results)
    assert sorted(row["seed"] or 0 for row in found.runs) == [0, 2, 3, 7]


def test_a_copied_run_is_named_and_counted_once(results: Path) -> None:
    run = results / "runs" / f"cell-lora-{1:012x}"
    shutil.copytree(run, run.with_name("my-copy"))
    found = tables.write(results)
    assert len(found.runs) == 4
    [(left_out, why)] = found.left_out
    assert left_out.path.name == "my-copy"
    assert run.name in why


def test_a_state_that_depends_on_a_process_is_looked_at_each_time(results: Path) -> None:
    run = results / "runs" / f"cell-lora-{1:012x}"
    (run / "results.json").unlink()
    (run / "scores" / next((run / "scores").glob("*.json")).name).unlink()
    lock = run / ".lock"
    from tunegrid.store import process_identity

    lock.write_text(json.dumps(process_identity.this_process() | {"token": "x"}))
    assert of_run(tables.write(results), 1)["status"] == "running"
    lock.unlink()
    assert of_run(tables.write(results), 1)["status"] == "interrupted"
    lock.write_text(json.dumps(process_identity.this_process() | {"token": "x"}))
    assert of_run(tables.write(results), 1)["status"] == "running"


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (results / ".cache").write_text("in the way", encoding="utf-8")
    found = tables.write(results)
    assert len(found.runs) == 4
    assert (results / "tables" / "metrics.csv").exists()


def test_writers_at_once_leave_a_whole_cache_and_whole_tables(results: Path) -> None:
    import multiprocessing

    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(results,)) for _ in range(3)]
    for one in writers:
        one.start()
    for one in writers:
        one.join(120)
    assert [one.exitcode for one in writers] == [0, 0, 0]
    assert len((results / "tables" / "runs.csv").read_text().splitlines()) == 5
    names = [file.name for file in (results / index.PLACE).iterdir()]
    assert len(names) == 8
    assert not [name for name in names if name.startswith(".")]


def _write_often(results: Path) -> None:
    code = 1
    try:
        for _ in range(5):
            assert len(tables.write(results).runs) == 4
        code = 0
    finally:
        os._exit(code)


def test_json_lines_are_what_answers_are_read_from(results: Path) -> None:
    run = results / "runs" / f"cell-lora-{1:012x}"
    [path] = (run / "predictions").iterdir()
    assert len(list(json_files.read_json_lines(path))) == 5
    memory = index.Memory()
    before = memory.answers(path)
    assert memory.answers(path) == before
    write_answers(run, "another")
    assert memory.answers(path) != before
