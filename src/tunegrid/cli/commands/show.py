"""`tunegrid show`: the exact tokens of a cell's first examples.

Owns: its command line and what it prints.
"""

from __future__ import annotations

import argparse

from tunegrid.cli.output import find_run, print_json


def show(options: argparse.Namespace) -> int:
    """Print the first training examples of a cell as tokens."""
    from tunegrid.cells import reopen
    from tunegrid.use import show_tokens

    run = find_run(options.results, options.cell)
    examples = show_tokens.shown_examples(reopen.config_of(run), options.examples)
    if options.json:
        print_json(examples)
    else:
        show_tokens.print_examples(examples)
    return 0
