"""`tunegrid show`: the exact tokens of the first examples of a cell, or of data.

Owns: its command line and what it prints.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunegrid.cli.output import find_run, print_json
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import project_directory

AddCommand = Callable[[str, Any, str], argparse.ArgumentParser]


def add(command: AddCommand) -> None:
    """Add the command to the command line."""
    one = command("show", show, "the exact tokens a cell trains on, the trained ones marked")
    one.add_argument(
        "words",
        nargs="+",
        metavar="cell | setting=value",
        help="a train_id, or the beginning of one; or, without any run, settings as for run.py, "
        "such as data=files data.files=[x.json] model=mini_llama prompt=chinese",
    )
    one.add_argument(
        "--n", "--examples", dest="examples", type=_count, default=2, help="how many examples"
    )


def show(options: argparse.Namespace) -> int:
    """Print the first training examples of a cell, or of settings, as tokens."""
    from tunegrid.cells import reopen
    from tunegrid.use import show_tokens

    names = [word for word in options.words if "=" not in word and not word.startswith("~")]
    if not names:
        config = show_tokens.config_of_settings(options.words, project_directory(), Path.cwd())
    elif names == options.words and len(names) == 1:
        config = reopen.config_of(find_run(options.results, names[0]))
    else:
        raise ConfigError(
            f"`tunegrid show` was given {' '.join(options.words)!r}; accepted are the name of one "
            "cell, which has its own settings, or settings alone, such as data=mini prompt=chinese"
        )
    examples = show_tokens.shown_examples(config, options.examples)
    if options.json:
        print_json(examples)
    else:
        show_tokens.print_examples(examples)
    return 0


def _count(word: str) -> int:
    """Return a number of examples, which is 1 or more."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of examples; give 1 or more")
    return int(word)
