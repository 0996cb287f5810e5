"""Learning rates by method: the loss on held-out examples of every cell of a rate sweep.

Owns: the rows of `tunegrid rates` and which rate is the best of a method.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

COLUMNS = ("method", "learning_rate", "cells", "validation_loss", "best")
_LIKE = ("model", "quantization", "data", "prompt")


def rows(runs: Iterable[RunDirectory]) -> list[dict[str, Any]]:
    """Return one row a method and learning rate, seeds averaged; only cells with validation.

    `validation_loss` is that of the weights that were exported, in nats; `best` marks the rate with
    the lowest one of each method. Cells of another base, data or number of steps are rows apart.
    """
    losses: dict[tuple[Any, ...], list[float]] = {}
    for run in runs:
        if not run.has(run_files.TRAINED):
            continue
        report = run.read(run_files.TRAINED)
        if not report.get("validation_losses"):
            continue
        record = run.read(run_files.CELL)
        config = record["config"]
        others = (*(config[group]["name"] for group in _LIKE), report["steps"])
        rate = record["identity"]["train"]["learning_rate"]
        loss = report["validation_losses"][str(report["exported_step"])]
        losses.setdefault((config["peft"]["name"], others, rate), []).append(loss)
    means = {key: sum(found) / len(found) for key, found in losses.items()}
    lowest: dict[tuple[Any, ...], float] = {}
    for (method, others, _), mean in means.items():
        lowest[method, others] = min(mean, lowest.get((method, others), mean))
    return [
        {
            "method": method,
            "learning_rate": rate,
            "cells": len(losses[method, others, rate]),
            "validation_loss": mean,
            "best": mean == lowest[method, others],
            **dict(zip((*_LIKE, "steps"), others, strict=True)),
        }
        for (method, others, rate), mean in sorted(means.items())
    ]
