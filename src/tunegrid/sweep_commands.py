"""`tunegrid status` and `tunegrid fetch`: commands on a whole sweep.

Owns: their command lines and what they print. Part of the edge.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tunegrid.errors import ConfigError
from tunegrid.store import RunDirectory
from tunegrid.tables import rows

AddCommand = Callable[[str, Any, str], argparse.ArgumentParser]
PROJECT = Path(__file__).resolve().parents[2]
RUN_COLUMNS = (
    "train_id", "status", "steps", "final_loss", "tokens_per_second", "suspect", "error"
)  # fmt: skip


def add(command: AddCommand) -> None:
    """Add the commands to the command line."""
    looking = command("status", status, "how far every cell is, of all runs or of one sweep")
    looking.add_argument(
        "sweep", nargs="?", help="the cells of its latest launch, also those not begun"
    )
    looking.add_argument("--watch", action="store_true", help="a live table, until all have ended")
    looking.add_argument(
        "--every", type=float, default=2.0, metavar="SECONDS", help="how often --watch looks (2)"
    )


def status(options: argparse.Namespace) -> int:
    """Print one row a cell with how far it is; exit code 1 when one failed or is unreadable."""
    from tunegrid.watching import table
    from tunegrid.watching.sweep import SweepWatch
    from tunegrid.watching.sweep import rows as state_rows

    if not options.every > 0:
        raise ConfigError(f"--every is {options.every}; give a number of seconds above 0")
    if options.sweep is None and not options.watch:
        return _all_runs(options)
    sweep = SweepWatch(options.results, options.sweep)
    if options.watch:
        return table.watch(sweep, options.every, as_json=options.json)
    snapshot = sweep.look()
    if options.json:
        _print_json(state_rows(snapshot))
        print(table.footer(snapshot), file=sys.stderr)
    else:
        table.show(snapshot)
    return int(snapshot.has_failed)


def _all_runs(options: argparse.Namespace) -> int:
    from tunegrid import cli

    runs, damaged = rows.readable(cli.all_runs(options.results))
    per_run = rows.run_rows(runs)
    if options.json:
        _print_json(per_run)
    else:
        cli.print_table(per_run, RUN_COLUMNS)
    return said(damaged)


def said(damaged: Sequence[tuple[RunDirectory, str]]) -> int:
    """Name the runs that could not be read; return the exit code."""
    for run, what in damaged:
        print(f"{run.path} cannot be read and was left out: {what}", file=sys.stderr)
    return 1 if damaged else 0


def _print_json(found: list[dict[str, Any]]) -> None:
    from tunegrid import cli

    cli.print_json(found)
