"""`tunegrid status` and `tunegrid fetch`: commands on a whole sweep.

Owns: their command lines and what they print. Part of the edge.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tunegrid.cells.state import Status
from tunegrid.cli.output import said
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import project_directory
from tunegrid.reports import rows
from tunegrid.reports.index import Index

if TYPE_CHECKING:
    from tunegrid.store.inputs.listing import Listed

AddCommand = Callable[[str, Any, str], argparse.ArgumentParser]
RUN_COLUMNS = (
    "train_id", "status", "steps", "final_loss", "tokens_per_second", "suspect", "error"
)  # fmt: skip

ONLY = {"bases": "base", "collections": "collection", "benchmarks": "benchmark"}
INTERRUPTED = 130


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
    bringing = command("fetch", fetch, "bring the bases, collections and benchmarks of a sweep")
    bringing.add_argument("sweep", help="a file of sweeps/, without .yaml")
    bringing.add_argument(
        "settings", nargs="*", metavar="key=value", help="as behind `python run.py -cn <sweep>`"
    )
    bringing.add_argument("--yes", action="store_true", help="bring them without asking")
    bringing.add_argument(
        "--only", action="append", choices=sorted(ONLY), help="one kind of input; may be repeated"
    )
    bringing.add_argument(
        "--offline-check",
        action="store_true",
        help="ask no server and bring nothing: exit code 0 if everything is here",
    )


def status(options: argparse.Namespace) -> int:
    """Print one row a cell with how far it is; exit code 1 when one failed or is unreadable."""
    from tunegrid.launch.status import table
    from tunegrid.launch.status.sweep import SweepWatch
    from tunegrid.launch.status.sweep import rows as state_rows

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
    from tunegrid.cli import output

    memory = Index(options.results)
    runs, damaged = rows.readable(output.all_runs(options.results), memory)
    per_run = rows.run_rows(runs, memory=memory)
    if options.json:
        _print_json(per_run)
    else:
        output.print_table(per_run, RUN_COLUMNS)
    failed = any(row["status"] in (Status.failed.value, Status.unreadable.value) for row in per_run)
    return max(said(damaged), int(failed))


def _print_json(found: list[dict[str, Any]]) -> None:
    from tunegrid.cli import output

    output.print_json(found)


def fetch(options: argparse.Namespace) -> int:
    """List the inputs of a sweep and bring what is missing; exit code 0 when nothing is left."""
    try:
        return _fetch(options)
    except KeyboardInterrupt:
        print("\nStopped. What has arrived is kept; the same command goes on.", file=sys.stderr)
        return INTERRUPTED


def _fetch(options: argparse.Namespace) -> int:
    from tunegrid.launch.sweep_cells import planned_cells
    from tunegrid.store.inputs import listing
    from tunegrid.store.inputs.sources import inputs_of

    cells = planned_cells(options.sweep, project_directory(), options.settings)
    inputs = inputs_of((one.cell.config for one in cells), project_directory())
    if options.only:
        kinds = [ONLY[name] for name in options.only]
        inputs = [one for one in inputs if one.kind in kinds]
    found = listing.listed(inputs, ask_servers=not options.offline_check)
    rooms = listing.room(found, project_directory())
    if options.json:
        _print_json(listing.rows(found))
    else:
        listing.print_list(found, rooms, project_directory())
    unready = [one for one in found if one.state in (listing.BY_HAND, listing.REFUSED)]
    missing = [one for one in found if one.state == listing.MISSING]
    if options.offline_check:
        return int(bool(missing or unready))
    if not missing:
        return int(bool(unready))
    listing.refuse_overflow(rooms)
    if not options.yes and not _confirmed(options.sweep):
        return 0
    return max(int(bool(unready)), _bring(found))


def _confirmed(sweep: str) -> bool:
    """Return whether a person at a terminal says yes; elsewhere say what to do, and no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        print(f"Nothing was brought. To bring it: tunegrid fetch {sweep} --yes", file=sys.stderr)
        return False
    print("Bring what is missing? [y/N] ", end="", file=sys.stderr, flush=True)
    said_yes = sys.stdin.readline().strip().lower() in ("y", "yes")
    if not said_yes:
        print("Nothing was brought.", file=sys.stderr)
    return said_yes


def _bring(found: Sequence[Listed]) -> int:
    from tunegrid.store.inputs.download import bring_all

    failures = bring_all(found)
    if failures:
        print(f"\n{len(failures)} inputs could not be brought:", file=sys.stderr)
        for one in failures:
            print(f"  {one.input.kind} {one.input.name}: {one.reason}", file=sys.stderr)
        return 1
    print("Everything that could be brought is here.", file=sys.stderr)
    return 0
