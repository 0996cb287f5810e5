"""Short names for runs that are shown together: what tells them apart, and nothing else.

Owns: labels. Knows nothing of what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

_NAMING = ("model", "peft", "quantization", "data", "prompt", "train")


def labelled(configs: Mapping[str, Any]) -> dict[str, str]:
    """Return each run's label: its method, and the other choices in which the runs differ.

    Args:
        configs: the settings of each run, as its cell.json has them, by train_id.

    """
    choices = {name: _choices(config) for name, config in configs.items()}
    method = _NAMING.index("peft")
    differing = [
        place
        for place in range(len(_NAMING) + 2)
        if len({words[place] for words in choices.values()}) > 1 and place != method
    ]
    labels = {
        name: ", ".join([words[method], *(words[place] for place in differing)])
        for name, words in choices.items()
    }
    # Settings without a name of their own can differ too; then the hash tells runs apart.
    repeated = {label for label in labels.values() if list(labels.values()).count(label) > 1}
    return {
        name: f"{label} {name.rpartition('-')[2][:4]}" if label in repeated else label
        for name, label in labels.items()
    }


def _choices(config: Mapping[str, Any]) -> list[str]:
    """Return what a run may be told apart by: its groups' choices, its learning rate, its seed."""
    own = config["peft"].get("learning_rate")
    rate = config["train"].get("learning_rate") if own is None else own
    named = [config[group]["name"] for group in _NAMING]
    return [*named, f"rate {rate:g}" if rate is not None else "", f"seed {config['seed']}"]


def words(run: RunDirectory) -> dict[str, Any]:
    """Return what names the cell: the choices of its groups and its seed.

    A row that was imported has a name and no choices.
    """
    record = run.read(run_files.CELL)
    if record.get("kind") == run_files.IMPORTED:
        return {
            "train_id": record["train_id"],
            "kind": run_files.IMPORTED,
            "base": record["name"],
            "method": run_files.IMPORTED,
        }
    config = record["config"]
    untrained = config["peft"]["function"] is None
    return {
        "train_id": record["train_id"],
        "kind": "cell",
        "base": config["model"]["name"],
        "method": config["peft"]["name"],
        "data": None if untrained else config["data"]["name"],
        "train": None if untrained else config["train"]["name"],
        "prompt": config["prompt"]["name"],
        "quantization": config["quantization"]["name"],
        "compute_dtype": config["quantization"].get("dtype"),
        "seed": None if untrained else config["seed"],
    }
