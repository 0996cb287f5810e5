"""`tunegrid migrate`: runs of an earlier version under their present names.

Owns: that command's arguments and what it prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict

from tunegrid.cli.output import print_json
from tunegrid.config.project import project_directory


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line's grammar."""
    one = command("migrate", migrate, "give runs of an earlier version their present names")
    one.add_argument("--dry-run", action="store_true", help="say what would be renamed")


def migrate(options: argparse.Namespace) -> int:
    """Rename runs and say what became of each.

    Returns:
        1 when one has to stay as it is.
    """
    from tunegrid.launch import migrate as renaming

    steps = []
    for step in renaming.migrate(
        options.results.absolute(), project_directory(), is_trial=options.dry_run
    ):
        steps.append(step)
        if not options.json:
            print(f"{step.old}\n  {step.new or 'stays as it is'}")
        if step.remark:
            print(f"  {step.old}: {step.remark}", file=sys.stderr)
    if options.json:
        print_json([asdict(step) for step in steps])
    stay = sum(step.new is None for step in steps)
    done = "would be renamed" if options.dry_run else "renamed"
    print(
        f"{len(steps) - stay} runs {done}, {stay} stay as they are"
        if steps
        else f"every run under {options.results / 'runs'} has its present name",
        file=sys.stderr,
    )
    return 1 if stay else 0
