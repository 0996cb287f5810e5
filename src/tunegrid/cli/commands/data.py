"""`tunegrid data`: the collections there are.

Owns: its command line and what it prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tunegrid.cli.output import print_json
from tunegrid.config.choices import Generation, Language, Task
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import project_directory
from tunegrid.data import catalogue

AddCommand = Callable[[str, Any, str], argparse.ArgumentParser]

_TAGS = (("language", Language), ("task", Task), ("generation", Generation))


def add(command: AddCommand) -> None:
    """Add the command to the command line."""
    one = command("data", data, "the collections, with their tags, sizes and readers")
    one.add_argument("action", choices=["list"], help="print the collections")
    for name, kind in _TAGS:
        one.add_argument(
            f"--{name}",
            nargs="+",
            default=[],
            choices=[tag.value for tag in kind],
            metavar=name.upper(),
            help=f"those with one of: {', '.join(tag.value for tag in kind)}",
        )


def data(options: argparse.Namespace) -> int:
    """Print the collections that have the tags asked for."""
    project = project_directory()
    folders = [place / "conf" / "data" / "collection" for place in (Path.cwd(), project)]
    every = catalogue.rows(folders, project)
    wanted = {name: getattr(options, name) for name, _ in _TAGS}
    found = catalogue.with_tags(every, wanted)
    if not found:
        asked = ", ".join(f"{name} {' or '.join(tags)}" for name, tags in wanted.items() if tags)
        raise ConfigError(
            f"none of the {len(every)} collections has {asked}; `tunegrid data list` prints all"
        )
    if options.json:
        print_json(found)
        return 0
    for line in _aligned([_shown(row) for row in found]):
        print(line)
    print(f"{len(found)} of {len(every)} collections; --json has all facts", file=sys.stderr)
    return 0


def _aligned(shown: Sequence[dict[str, str]]) -> Iterator[str]:
    """Yield a header and the rows, never cut: a name is there to be copied into a command."""
    lines = [{name: name for name in catalogue.COLUMNS}, *shown]
    widths = {name: max(len(line[name]) for line in lines) for name in catalogue.COLUMNS}
    for line in lines:
        yield "  ".join(
            line[name].rjust(width) if name == "examples" else line[name].ljust(width)
            for name, width in widths.items()
        ).rstrip()


def _shown(row: catalogue.Row) -> dict[str, str]:
    """Return a row as words: tags joined, sizes with commas, a dash for what is not known."""
    values = dict(row)
    for name in catalogue.TAGS:
        values[name] = "/".join(row[name])
    if row["examples"] is not None:
        values["examples"] = f"{row['examples']:,}"
    return {name: values[name] or "–" for name in catalogue.COLUMNS}
