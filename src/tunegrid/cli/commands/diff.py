"""`tunegrid diff`: what differs between two cells.

Owns: its command line and what it prints.
"""

from __future__ import annotations

import argparse
import sys

from tunegrid.cli.output import find_run, print_json, print_table
from tunegrid.reports import paired


def diff(options: argparse.Namespace) -> int:
    """Print the settings and the paired scores in which two cells differ."""
    first = find_run(options.results, options.first)
    second = find_run(options.results, options.second)
    settings = paired.setting_rows(first, second)
    scores = paired.score_rows(first, second)
    if options.json:
        print_json([*settings, *scores])
        return 0
    print_table(settings, paired.SETTING_COLUMNS)
    print_table(scores, paired.SCORE_COLUMNS)
    print(
        f"difference: {second.path.name} minus {first.path.name}, paired on items; "
        "a difference of less than two standard errors is not one",
        file=sys.stderr,
    )
    return 0
