"""`tunegrid methods`, `merge`, `rates` and `curves`: commands about methods and their training.

Owns: their command lines and what they print. Part of the edge.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunegrid.cells.libraries import quieten_imports
from tunegrid.config.choices import Dtype
from tunegrid.config.compose.typed import model_and_method
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import project_directory
from tunegrid.store import run_files

AddCommand = Callable[[str, Any, str], argparse.ArgumentParser]


def add(command: AddCommand) -> None:
    """Add the commands to the command line."""
    listing = command(
        "methods", methods, "what each method trains in a base, and what it goes with; no weights"
    )
    listing.add_argument(
        "--model", default="mini_llama", help="a file of conf/model, without .yaml"
    )
    listing.add_argument(
        "--method", action="append", help="a file of conf/peft, without .yaml; may be repeated"
    )
    merging = command("merge", merge, "write base and adapter of a cell as one plain model")
    merging.add_argument("cell", help="a train_id, or the beginning of one")
    merging.add_argument("directory", type=Path, help="where to; new or empty")
    merging.add_argument(
        "--dtype",
        default="float32",
        choices=[one.value for one in Dtype],
        help="of the written weights; float32 rounds nothing",
    )
    command("rates", rates, "the learning rate with the lowest validation loss of each method")
    curve = command("curves", curves, "the training losses of cells, as rows and as one figure")
    curve.add_argument("cells", nargs="*", help="words of their train_ids; all cells without any")
    curve.add_argument("--output", type=Path, help="the figure: a .png, .pdf or .svg")
    curve.add_argument("--title", default="Training loss", help="above the figure")


def methods(options: argparse.Namespace) -> int:
    """Print every method with its trainable parameters and what it goes with."""
    from tunegrid.cli.output import print_json, print_table
    from tunegrid.reports import methods as listing

    quieten_imports()
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")

    project = project_directory()
    conf = project / "conf"
    chosen = options.method or [path.stem for path in sorted((conf / "peft").glob("*.yaml"))]
    configs = [model_and_method(conf, options.model, name) for name in chosen]
    rows = list(listing.rows(configs[0].model, [config.peft for config in configs], project))
    if options.json:
        print_json(rows)
        return 0
    shown = [{name: _mark(row[name]) for name in listing.COLUMNS} for row in rows]
    print_table(shown, listing.COLUMNS)
    for row in rows:
        for reason in row["reasons"]:
            print(f"{row['method']}: {reason}", file=sys.stderr)
    print(
        f"{configs[0].model.name}: {rows[0]['base_parameters']:,} parameters, by "
        f"{rows[0]['counted_from']}",
        file=sys.stderr,
    )
    return 0


def merge(options: argparse.Namespace) -> int:
    """Merge one cell and print how far the merged model's logits are from the trained one's."""
    from tunegrid.cells import libraries
    from tunegrid.cells.reopen import config_of
    from tunegrid.cli.output import find_run, print_json, print_table
    from tunegrid.use.merge import merge

    run = find_run(options.results, options.cell)
    config = config_of(run)
    quieten_imports()
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")
    libraries.prepare_process(config)
    report = merge(config, run, options.directory, Dtype(options.dtype))
    if options.json:
        print_json([report])
    else:
        facts = [{"fact": name, "value": value} for name, value in report.items()]
        print_table(facts, ("fact", "value"))
    print(f"{report['directory']} loads with plain from_pretrained", file=sys.stderr)
    return 0


def rates(options: argparse.Namespace) -> int:
    """Print the validation loss of every method and learning rate, the best marked."""
    from tunegrid.cli.output import all_runs, print_json, print_table, said
    from tunegrid.reports import learning_rates
    from tunegrid.reports.rows import readable

    runs, left_out = readable(all_runs(options.results))
    rows = learning_rates.rows(runs)
    if not rows:
        raise ConfigError(
            "no cell has a validation loss; set data.validation_examples and "
            "train.evaluations_per_epoch, as sweeps/learning_rates.yaml does"
        )
    if options.json:
        print_json(rows)
    else:
        print_table(
            [row | {"best": "best" if row["best"] else ""} for row in rows], learning_rates.COLUMNS
        )
    return said(left_out)


def curves(options: argparse.Namespace) -> int:
    """Print the recorded losses, or draw them."""
    from tunegrid.cli.output import all_runs, print_json, print_table, said
    from tunegrid.reports.figures import curves as drawing
    from tunegrid.reports.methods import STUDY
    from tunegrid.reports.rows import readable

    own, left_out = readable(all_runs(options.results))
    runs = [
        run
        for run in own
        if not options.cells or any(word in run.path.name for word in options.cells)
    ]
    rows = drawing.rows(runs, STUDY)
    if not rows:
        raise ConfigError(
            f"none of the {len(runs)} cells has a {run_files.CURVE}; train one, or name others"
        )
    if options.output is not None:
        drawing.draw(rows, options.output, options.title)
        print(options.output, file=sys.stderr)
    if options.json:
        print_json(rows)
    elif options.output is None:
        last = {row["train_id"]: row for row in rows}
        print_table(list(last.values()), drawing.COLUMNS[1:])
    return said(left_out)


def _mark(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else None
    return f"{value:,}" if isinstance(value, int) else value
