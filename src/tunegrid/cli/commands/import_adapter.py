"""`tunegrid import-adapter`: an adapter of peft that was trained elsewhere becomes a cell.

Owns: that command's arguments and what it prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tunegrid.cli.output import print_json
from tunegrid.config.compose.typed import composed_groups
from tunegrid.config.project import project_directory

GROUPS = ("model", "quantization", "prompt", "runtime", "eval", "judge", "logging")


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line's grammar."""
    text = "make a finished cell of a LoRA that was trained elsewhere"
    one = command("import-adapter", import_adapter, text)
    one.add_argument("folder", type=Path, help="holds adapter_config.json and its weights")
    one.add_argument("--model", required=True, help="a file of conf/model, without .yaml")
    one.add_argument("--name", help="of the method, in tables")
    one.add_argument("--data", help="what it was trained on, in tables")
    one.add_argument("--quantization", default="int8", help="how its base was held: int8, fp32 …")
    one.add_argument("--prompt", default="english", help="the templates it was trained with")


def import_adapter(options: argparse.Namespace) -> int:
    """Write the cell and say what to do with it."""
    from tunegrid.cells import import_adapter as importing

    words = [f"{group}={getattr(options, group)}" for group in ("model", "quantization", "prompt")]
    config = composed_groups(words, project_directory(), GROUPS)
    config.runtime.results = str(options.results.absolute())
    cell, notes = importing.import_adapter(
        options.folder, config, project_directory(), name=options.name, data=options.data
    )
    if options.json:
        print_json([{"cell": cell.train_id, "directory": str(cell.directory), "notes": notes}])
    else:
        print(cell.directory)
    for note in notes:
        print(note, file=sys.stderr)
    print(f"Next: tunegrid predict {cell.train_id} eval=paper", file=sys.stderr)
    return 0
