"""`tunegrid tables`: all finished cells as rows.

Owns: its command line and what it prints.
"""

from __future__ import annotations

import argparse
import sys

from tunegrid.cells.state import FINISHED
from tunegrid.cli import output
from tunegrid.cli.output import all_runs, print_json, print_table
from tunegrid.reports import tables as written

SHOWN = 200
"""Rows of the terminal without --all."""


def tables(options: argparse.Namespace) -> int:
    """Write metrics.csv and runs.csv under results/tables and print the measurements."""
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
