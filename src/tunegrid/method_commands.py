"""`tunegrid methods` and `merge`: commands about methods.

Owns: their command lines and what they print. Part of the edge.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tunegrid.errors import ConfigError
from tunegrid.schema import CellConfig
from tunegrid.wiring import suggestion

AddCommand = Callable[[str, Any, str], argparse.ArgumentParser]
PROJECT = Path(__file__).resolve().parents[2]


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


def methods(options: argparse.Namespace) -> int:
    """Print every method with its trainable parameters and what it goes with."""
    from tunegrid.cli import print_json, print_table
    from tunegrid.tables import methods as listing

    _quieten()

    conf = PROJECT / "conf"
    chosen = options.method or [path.stem for path in sorted((conf / "peft").glob("*.yaml"))]
    configs = [composed(conf, options.model, name) for name in chosen]
    rows = list(listing.rows(configs[0].model, [config.peft for config in configs], PROJECT))
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


def _quieten() -> None:
    """Leave out what the libraries say at import and at every use."""
    import logging
    import warnings

    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # peft still asks for the old name of activation checkpointing.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")


def _mark(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else None
    return f"{value:,}" if isinstance(value, int) else value


def composed(conf: Path, model: str, method: str) -> CellConfig:
    """Return a configuration with one choice of the groups model and peft, the rest as it is.

    Raises:
        ConfigError: no such choice, or a file that does not fit the schema.

    """
    chosen = {}
    for group, name in (("model", model), ("peft", method)):
        path = conf / group / f"{name}.yaml"
        if not path.is_file():
            names = [file.stem for file in (conf / group).glob("*.yaml")]
            raise ConfigError(f"conf/{group} has no {name!r}{suggestion(name, names)}")
        chosen[group] = OmegaConf.load(path)
    merged = OmegaConf.merge(OmegaConf.structured(CellConfig), chosen)
    parts = {group: OmegaConf.to_object(merged[group]) for group in chosen}
    return CellConfig(**parts)
