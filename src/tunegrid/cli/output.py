"""What the commands share: finding runs, and printing rows as a table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.config.functions import suggestion
from tunegrid.store.run_directory import RunDirectory, finished_runs

Rows = list[dict[str, Any]]


def find_run(results: Path, name: str) -> RunDirectory:
    """Return the one run whose train_id is `name` or begins with it.

    Raises:
        ConfigError: none or several do.
    """
    names = {run.path.name: run for run in all_runs(results)}
    if name in names:
        return names[name]
    found = [full for full in names if full.startswith(name) or full.endswith(name)]
    if len(found) == 1:
        return names[found[0]]
    if found:
        raise ConfigError(
            f"{name!r} means {len(found)} cells: {', '.join(found)}; write more of it"
        )
    raise ConfigError(f"there is no cell {name!r} under {results}/runs{suggestion(name, names)}")


def all_runs(results: Path) -> list[RunDirectory]:
    """Return the runs under a results directory.

    Raises:
        ConfigError: there are none.
    """
    runs = finished_runs(results)
    if not runs:
        raise ConfigError(
            f"there are no cells under {results / 'runs'}; run one with `python run.py`, "
            "or name the directory with --results"
        )
    return runs


def update_tables(results: Path) -> None:
    """Write results/tables/ anew; a launch does not fail because its tables cannot be written."""
    from tunegrid.reports import tables

    try:
        tables.write(results)
    except (StoreError, OSError, ValueError) as error:
        print(f"the tables were not written: {error}", file=sys.stderr)


def print_json(value: Rows) -> None:
    """Print rows as one JSON array on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=1)
    print()


def print_table(records: Rows, columns: Sequence[str]) -> None:
    """Print the given columns of rows as a table; None is a dash."""
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold")
    for column in columns:
        number = any(isinstance(record[column], int | float) for record in records)
        table.add_column(column, justify="right" if number else "left")
    for record in records:
        table.add_row(*(_cell(record[column]) for column in columns))
    # A name, an error or a judge's reply may hold what the terminal library reads as markup.
    Console(highlight=False, markup=False).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def said(damaged: Sequence[tuple[RunDirectory, str]]) -> int:
    """Name what lies among the runs and has no row; return the exit code."""
    for run, what in damaged:
        print(f"{run.path} was left out: {what}", file=sys.stderr)
    return 1 if damaged else 0
