"""results/tables/ holds a row of every run; what each row says is tested with `rows`."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from doubles.synthetic_runs import make
from tunegrid.config.errors import StoreError
from tunegrid.reports import rows, tables


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_both_tables_have_the_rows_and_columns(tmp_path: Path) -> None:
    runs = [make(tmp_path, number) for number in (1, 2)]
    found = tables.write(tmp_path)
    metrics = read(tmp_path / "tables" / tables.METRICS)
    per_run = read(tmp_path / "tables" / tables.RUNS)
    assert tuple(metrics[0]) == rows.METRIC_COLUMNS
    assert tuple(per_run[0]) == rows.RUN_COLUMNS
    assert [row["train_id"] for row in per_run] == [run.name for run in runs]
    assert len(metrics) == len(found.metrics) == 40
    assert float(metrics[1]["value"]) == found.metrics[1]["value"] == 1 + 1 / 7
    assert metrics[1]["standard_error"] == ""


def test_they_follow_the_runs(tmp_path: Path) -> None:
    first = make(tmp_path, 1)
    tables.write(tmp_path)
    shutil.rmtree(first)
    tables.write(tmp_path)
    assert read(tmp_path / "tables" / tables.RUNS) == []


def test_a_damaged_run_is_named_and_the_others_have_their_rows(tmp_path: Path) -> None:
    damaged, _ = make(tmp_path, 1), make(tmp_path, 2)
    (damaged / "train.json").write_text("{", encoding="utf-8")
    found = tables.write(tmp_path)
    assert [run.path for run, _ in found.left_out] == [damaged]
    assert len(read(tmp_path / "tables" / tables.RUNS)) == 1


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    make(tmp_path, 1)
    (tmp_path / "tables").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot write"):
        tables.write(tmp_path)


def test_what_is_no_run_is_named_and_hidden_files_are_not(tmp_path: Path) -> None:
    run = make(tmp_path, 1)
    runs = run.parent
    (runs / "empty").mkdir()
    (runs / "notes").mkdir()
    (runs / "notes" / "todo.txt").write_text("train more")
    (runs / "stray.csv").write_text("a,b")
    (runs / ".hidden").write_text("")
    (runs / "begins").mkdir()
    (runs / "begins" / ".lock").write_text("{}")
    found = tables.write(tmp_path)
    assert len(found.runs) == 1
    named = {left_out.path.name: why for left_out, why in found.left_out}
    assert list(named) == ["empty", "notes", "stray.csv"]
    assert "empty directory" in named["empty"]
    assert "no cell.json" in named["notes"]
    assert "a file" in named["stray.csv"]
