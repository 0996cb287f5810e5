"""Cells side by side: one row a cell with its size, its loss and the average of each benchmark.

Owns: what a comparison shows. The averages are the benchmarks' own; nothing is averaged here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tunegrid import store
from tunegrid.store import RunDirectory
from tunegrid.tables.labels import labelled
from tunegrid.tables.rows import score_summaries, suspects

AVERAGED = ("score", "accuracy")
"""The metrics of which a benchmark's average is shown."""


def rows(runs: Iterable[RunDirectory]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the benchmarks' columns, and one row a cell that was scored.

    A row has `cell`, `trainable_parameters`, `loss` (mean of the last tenth of the steps, in nats),
    for each benchmark the average and its standard error as a pair, and `suspect`.

    Args:
        runs: in the order of the rows; those without any result are left out.

    """
    scored = [run for run in runs if run.has(store.RESULTS)]
    labels = labelled({run.path.name: run.read(store.CELL)["config"] for run in scored})
    found, columns = [], dict[str, None]()
    for run in scored:
        report = run.read(store.TRAINED) if run.has(store.TRAINED) else {}
        row: dict[str, Any] = {
            "cell": labels[run.path.name],
            "trainable_parameters": report.get("trainable_parameters", 0),
            "loss": report.get("last_tenth_loss"),
        }
        asked = run.read(store.RESULTS)["scores"]
        for summary in score_summaries(run):
            average = _average(summary)
            if summary["score_id"] in asked and average is not None:
                protocol = summary.get("protocol", "generation")
                name = summary["benchmark"] + ("" if protocol == "generation" else f" {protocol}")
                columns[name] = None
                row[name] = (average["value"], average["standard_error"])
        found.append(row | {"suspect": "; ".join(suspects(run))})
    return list(columns), found


def _average(summary: dict[str, Any]) -> dict[str, Any] | None:
    """Return a benchmark's own average: of its categories, as the study has it."""
    for measurement in summary["measurements"]:
        if measurement["category"].startswith("average") and measurement["metric"] in AVERAGED:
            return dict(measurement)
    return None
