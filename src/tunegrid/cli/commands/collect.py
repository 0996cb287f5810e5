"""`tunegrid collect`: the end of a sweep that runs on SLURM, from any shell.

Owns: that command's arguments and what it prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tunegrid.cli.output import update_tables
from tunegrid.store.run_directory import RunDirectory


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line's grammar."""
    one = command("collect", collect, "wait for a sweep's jobs on SLURM and print all its cells")
    one.add_argument("sweep", nargs="?", help="its name; the latest launch without it")
    one.add_argument("--no-wait", action="store_true", help="what there is now")


def collect(options: argparse.Namespace) -> int:
    """Read the ends of a launch's jobs, speak for dead ones, print a row a cell.

    Returns:
        1 when a cell is not done; with --no-wait, when one has failed.
    """
    from tunegrid.launch.outcomes import DONE
    from tunegrid.launch.slurm import collecting, queue, record

    launch = record.latest(options.results, options.sweep)
    queue.require()
    submission = record.read(launch.directory)
    left = 0
    if options.no_wait:
        outcomes, left = collecting.look(launch, submission)
    else:
        outcomes = collecting.wait(launch, submission)
    asked: dict[str, list[str]] = {}
    for entry in launch.entries:
        asked.setdefault(entry.train_id, []).extend(entry.asked)
    runs = [RunDirectory(launch.results / "runs" / name) for name in asked]
    update_tables(launch.results)
    _print(runs, asked, options.json)
    if left:
        print(f"{left} cells wait or run; collect them later", file=sys.stderr)
    for outcome in outcomes:
        if outcome.state != DONE:
            print(f"{outcome.train_id} {outcome.state}: {outcome.reason}", file=sys.stderr)
    return 0 if all(outcome.state == DONE for outcome in outcomes) else 1


def _print(runs: list[RunDirectory], asked: dict[str, list[str]], as_json: bool) -> None:
    from tunegrid.reports import rows, terminal

    known = rows.run_rows([run for run in runs if run.has("cell.json")], asked)
    if as_json:
        from tunegrid.cli.output import print_json

        print_json(known)
    else:
        terminal.print_runs(known, len(runs))
