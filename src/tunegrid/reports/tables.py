"""results/tables/: all runs as rows, written after every launch.

Owns: which files lie there. They are replaced whole, so that launches may write them at once: the
last one wins, and every one is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.reports import formats, rows, study_table
from tunegrid.reports.index import Index
from tunegrid.store import json_files
from tunegrid.store.run_directory import RunDirectory, finished_runs, strays

METRICS, RUNS = "metrics.csv", "runs.csv"


@dataclass(frozen=True)
class Tables:
    """All rows of a results directory."""

    metrics: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    left_out: list[tuple[RunDirectory, str]]
    """Runs without rows and what is no run, and why."""


def read(results: Path) -> Tables:
    """Return the rows of all runs under a results directory."""
    memory = Index(results)
    whole, left_out = rows.readable(finished_runs(results), memory)
    left_out += strays(results)
    return Tables(rows.metric_rows(whole, memory), rows.run_rows(whole, memory=memory), left_out)


def write(results: Path) -> Tables:
    """Write metrics.csv and runs.csv, and return what is in them.

    Raises:
        StoreError: the disk refuses.
    """
    found = read(results)
    directory = results / "tables"
    rows.write_csv(found.metrics, rows.METRIC_COLUMNS, directory / METRICS)
    rows.write_csv(found.runs, rows.RUN_COLUMNS, directory / RUNS)
    return found


def write_declared(table: study_table.Filled, directory: Path) -> None:
    """Write a declared table as Markdown, LaTeX, HTML and CSV.

    Raises:
        StoreError: the disk refuses.
    """
    name = table.declaration.name
    json_files.write_text(directory / f"{name}.md", formats.markdown(table))
    json_files.write_text(directory / f"{name}.tex", formats.latex(table))
    json_files.write_text(directory / f"{name}.html", formats.page(table))
    rows.write_csv(study_table.csv_rows(table), study_table.CSV_COLUMNS, directory / f"{name}.csv")
