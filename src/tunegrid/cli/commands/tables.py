"""`tunegrid tables`: all finished cells as rows, or the tables of one sweep.

Owns: its command line and what it prints.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tunegrid.cells.state import FINISHED
from tunegrid.cli import output
from tunegrid.cli.output import all_runs, print_json, print_table
from tunegrid.config.project import project_directory
from tunegrid.reports import tables as written

if TYPE_CHECKING:
    from tunegrid.reports.study_table import Filled, Member

SHOWN = 40
"""Rows of the terminal without --all."""


def tables(options: argparse.Namespace) -> int:
    """Write metrics.csv and runs.csv under results/tables and print the measurements."""
    if options.sweep is not None:
        return _of_sweep(options)
    # For its message where there is no run at all.
    all_runs(options.results)
    found = written.write(options.results)
    metrics, per_run = found.metrics, found.runs
    directory = options.results / "tables"
    if options.json:
        print_json(metrics)
    else:
        averages = [
            row | {"suspect": "yes" if row["suspect"] else ""}
            for row in metrics
            if row["category"].startswith("average")
        ]
        # What all rows have in common only takes room; metrics.csv has every column and category.
        telling = [
            name
            for name in (
                "base",
                "method",
                "quantization",
                "data",
                "prompt",
                "seed",
                "inference_precision",
                "metric",
            )
            if len({row[name] for row in averages}) > 1
        ]
        shown = averages if options.all else averages[:SHOWN]
        print_table(shown, (*telling, "benchmark", "value", "standard_error", "items", "suspect"))
        if len(shown) < len(averages):
            print(
                f"{len(averages) - len(shown):,} further rows are in {directory / 'metrics.csv'}; "
                "--all prints them, too"
            )
    finished = [status.value for status in FINISHED]
    unfinished = sum(row["status"] not in finished for row in per_run)
    print(
        f"{len(per_run)} cells, {unfinished} of them unfinished; {len(metrics)} measurements.\n"
        f"{directory / 'metrics.csv'}\n{directory / 'runs.csv'}",
        file=sys.stderr,
    )
    return output.said(found.left_out)


def _of_sweep(options: argparse.Namespace) -> int:
    """Write the tables that a sweep declares, and print them; exit code 1 if a run was left out."""
    from tunegrid.reports import declared, study_table

    project = project_directory()
    members = _members(options.sweep, project)
    tables = declared.declared(project / "sweeps" / f"{options.sweep}.yaml")
    found = written.write(options.results)
    directory = options.results / "tables"
    made = []
    if not tables:
        table, every = study_table.default(options.sweep, [one for one, _ in members])
        made.append(study_table.filled(table, every, found.metrics, found.runs))
    for table in tables:
        own = [one for one, sweeps in members if table.sweep in sweeps]
        made.append(study_table.filled(table, own, found.metrics, found.runs))
    for one in made:
        written.write_declared(one, directory)
    if options.json:
        print_json([row for one in made for row in study_table.csv_rows(one)])
    else:
        for one in made:
            _show(one, directory, options.all)
    return output.said(found.left_out)


def _members(sweep: str, project: Path) -> list[tuple[Member, tuple[str, ...]]]:
    """Return the cells of a sweep, each with the sweeps that name it."""
    import dataclasses

    from tunegrid.cells import wanted
    from tunegrid.launch.sweep_cells import planned_cells
    from tunegrid.reports.declared import GROUPS
    from tunegrid.reports.study_table import Member

    members = []
    for one in planned_cells(sweep, project):
        config = one.cell.config
        scores = wanted.of_cell(one.cell)
        settings = dataclasses.asdict(config)
        kind = {key: value for key, value in settings.items() if key not in ("seed", "runtime")}
        member = Member(
            one.cell.train_id,
            {name: str(getattr(config, name).name) for name in GROUPS},
            repr(kind),
            frozenset(score.score_id for score in scores if score.score_id),
            tuple(score.problem for score in scores if score.problem),
        )
        members.append((member, one.sweeps))
    return members


def _show(table: Filled, directory: Path, all_rows: bool) -> None:
    """Print values alone, so that a table of the study fits a terminal; files have the rest."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tunegrid.reports.study_table import shown

    name = table.declaration.name
    grid = Table(title=Text(table.declaration.title), title_justify="left", padding=(0, 0, 0, 1))
    grid.add_column("", overflow="fold")
    console = Console(highlight=False, markup=False)
    columns = _fitting(table, console.width)
    for column in columns:
        grid.add_column(Text(_heading(column)), justify="right")
    style = {"best": "bold", "second": "underline"}
    entries = list(table.entries.items())
    for label, row in entries if all_rows else entries[:SHOWN]:
        cells = [
            Text("–")
            if one.value is None
            else Text(
                shown(one.value, column) + ("†" if one.suspect else ""), style.get(one.mark, "")
            )
            for column, one in row.items()
            if column in columns
        ]
        grid.add_row(Text(label), *cells)
    console.print(grid)
    hidden = len(table.declaration.columns) - len(columns)
    if hidden:
        print(f"{hidden} further columns are in {directory / name}.md, or in a wider terminal")
    if len(entries) > SHOWN and not all_rows:
        print(f"{len(entries) - SHOWN} further rows are in {directory / name}.md")
    if any(one.seeds == 1 for row in table.entries.values() for one in row.values()):
        print("Rows of one seed: what another seed would change is not in their errors.")
    if table.missing:
        print("Missing:", *table.missing[:SHOWN], sep="\n  ")
    print(f"{directory / name}.{{md,tex,csv,html}}", file=sys.stderr)


def _heading(column: str) -> str:
    benchmark, _, category = column.partition(".")
    return f"{benchmark} {category.replace('_', ' ')}"


def _fitting(table: Filled, width: int) -> list[str]:
    """Return the columns that a line holds with no word cut: all, or the averages alone."""
    columns = list(table.declaration.columns)
    longest = max(len(word) for label in table.entries for word in label.split())
    # A border, a blank and the longest word of each heading, which a value is no longer than.
    needed = [3 + max(map(len, _heading(column).split())) for column in columns]
    if longest + 3 + sum(needed) <= width:
        return columns
    averages = [column for column in columns if column.rpartition(".")[2].startswith("average")]
    return averages or columns
