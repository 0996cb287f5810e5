"""`tunegrid`: commands on finished cells.

Owns: the command line and what each command prints. Each command that prints a table takes
`--json`: the same rows on standard output, everything else on standard error. Exit code 0 only
when all of it worked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunegrid import __version__
from tunegrid.cli.commands import (
    collect,
    data,
    evaluation,
    expand,
    import_adapter,
    methods,
    migrate,
    show,
    sweeps,
)
from tunegrid.cli.commands.diff import diff
from tunegrid.cli.commands.tables import tables
from tunegrid.config.errors import ConfigError, TunegridError


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

    rows = command("tables", tables, "write metrics.csv and runs.csv, and print their rows")
    rows.add_argument("--all", action="store_true", help="print all averages, however many")
    sweeps.add(command)
    collect.add(command)
    migrate.add(command)
    difference = command("diff", diff, "what differs between two cells, in settings and scores")
    difference.add_argument("first", help="a train_id, or the beginning of one")
    difference.add_argument("second")
    show.add(command)
    evaluation.add(command)
    methods.add(command)
    expand.add(command)
    import_adapter.add(command)
    data.add(command)
    return top
