"""`tunegrid`: commands on finished cells.

Owns: the command line and what each command prints. Each command that prints a table takes
`--json`: the same rows on standard output, everything else on standard error. Exit code 0 only
when all of it worked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunegrid import (
    __version__,
    evaluation_commands,
    method_commands,
    slurm_commands,
    store,
    sweep_commands,
)
from tunegrid.errors import ConfigError, TunegridError
from tunegrid.store import RunDirectory
from tunegrid.tables import compare, rows
from tunegrid.wiring import suggestion

Rows = list[dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; ends the process with its exit code."""
    options = parser().parse_args(arguments)
    try:
        code = options.command(options)
    except TunegridError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:
        code = 0
    sys.exit(code)


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(
        prog="tunegrid",
        description="Work on finished cells. Cells are run with `python run.py`.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="command")

    def command(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument(
            "--results", type=Path, default=Path("results"), help="the results directory"
        )
        one.add_argument("--json", action="store_true", help="rows as JSON on standard output")
        one.set_defaults(command=function)
        return one

    command("tables", tables, "write metrics.csv and runs.csv, and print their rows")
    sweep_commands.add(command)
    slurm_commands.add(command)
    difference = command("diff", diff, "what differs between two cells, in settings and scores")
    difference.add_argument("first", help="a train_id, or the beginning of one")
    difference.add_argument("second")
    exact = command("show", show, "the exact tokens a cell trains on, the trained ones coloured")
    exact.add_argument("cell", help="a train_id, or the beginning of one")
    exact.add_argument("--examples", type=int, default=2, help="how many examples")
    evaluation_commands.add(command)
    method_commands.add(command)
    return top


def tables(options: argparse.Namespace) -> int:
    """Write metrics.csv and runs.csv under results/tables and print the measurements."""
    runs, damaged = rows.readable(all_runs(options.results))
    metrics, per_run = rows.metric_rows(runs), rows.run_rows(runs)
    directory = options.results / "tables"
    rows.write_csv(metrics, rows.METRIC_COLUMNS, directory / "metrics.csv")
    rows.write_csv(per_run, rows.RUN_COLUMNS, directory / "runs.csv")
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
                "answered_in",
                "metric",
            )
            if len({row[name] for row in averages}) > 1
        ]
        print_table(
            averages, (*telling, "benchmark", "value", "standard_error", "items", "suspect")
        )
    unfinished = sum(row["status"] != "done" for row in per_run)
    print(
        f"{len(per_run)} cells, {unfinished} of them unfinished; {len(metrics)} measurements.\n"
        f"{directory / 'metrics.csv'}\n{directory / 'runs.csv'}",
        file=sys.stderr,
    )
    return sweep_commands.said(damaged)


def diff(options: argparse.Namespace) -> int:
    """Print the settings and the paired scores in which two cells differ."""
    first = find_run(options.results, options.first)
    second = find_run(options.results, options.second)
    settings = compare.setting_rows(first, second)
    scores = compare.score_rows(first, second)
    if options.json:
        print_json([*settings, *scores])
        return 0
    print_table(settings, compare.SETTING_COLUMNS)
    print_table(scores, compare.SCORE_COLUMNS)
    print(
        f"difference: {second.path.name} minus {first.path.name}, paired on items; "
        "a difference of less than two standard errors is not one",
        file=sys.stderr,
    )
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the first training examples of a cell as tokens."""
    from tunegrid import reading

    run = find_run(options.results, options.cell)
    examples = reading.shown_examples(reading.config_of(run), options.examples)
    if options.json:
        print_json(examples)
    else:
        reading.print_examples(examples)
    return 0


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
    runs = store.finished_runs(results)
    if not runs:
        raise ConfigError(
            f"there are no cells under {results / 'runs'}; run one with `python run.py`, "
            "or name the directory with --results"
        )
    return runs


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
    Console(highlight=False, markup=False).print(table)


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return "–"
    # A name, an error or a judge's reply may hold what the terminal library reads as markup.
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


if __name__ == "__main__":
    main()
