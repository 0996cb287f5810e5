"""Cells side by side: one row a cell with its size, its loss and the average of each benchmark.

Owns: what a comparison shows. The averages are the benchmarks' own; nothing is averaged here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tunegrid.cells.labels import labelled
from tunegrid.reports.rows import score_summaries, suspects
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

AVERAGED = ("score", "accuracy")
"""The metrics of which a benchmark's average is shown."""


ScoresByWay = Mapping[str, Mapping[str, Collection[str]]]
"""For each run, by the name of an evaluation, the names of its scores."""


def rows(
    runs: Iterable[RunDirectory], asked: ScoresByWay | None = None
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the benchmarks' columns, and one row a cell that was scored.

    A row has `cell`, `trainable_parameters`, `loss` (mean of the last tenth of the steps, in nats),
    for each benchmark the average and its standard error as a pair, and `suspect`.

    Args:
        runs: in the order of the rows; those without any result are left out.
        asked: which scores count; by default those that the last command asked of each run. A run
            that was asked in several ways has a row for each.

    """
    begun = (
        (run_files.RESULTS,)
        if asked is None
        else (run_files.RESULTS, run_files.TRAINED, run_files.SCORES)
    )
    scored = [run for run in runs if any(run.has(name) for name in begun)]
    ways = {way for name in asked or {} for way in (asked or {})[name]}
    labels = labelled({run.path.name: run.read(run_files.CELL)["config"] for run in scored})
    found, columns = [], dict[str, None]()
    for run in scored:
        own = {"": run.read(run_files.RESULTS)["scores"]} if asked is None else asked[run.path.name]
        for way, names in own.items():
            averages = _averages(run, names)
            columns |= dict.fromkeys(averages)
            label = labels[run.path.name] + (f", {way}" if len(ways) > 1 else "")
            found.append({"cell": label} | _training(run) | averages)
    return list(columns), found


def _training(run: RunDirectory) -> dict[str, Any]:
    """Return what a row says of the training, and whether the cell is to be trusted."""
    report = run.read(run_files.TRAINED) if run.has(run_files.TRAINED) else {}
    return {
        "trainable_parameters": report.get("trainable_parameters", 0),
        "loss": report.get("last_tenth_loss"),
        "suspect": "; ".join(suspects(run)),
    }


def _averages(run: RunDirectory, names: Collection[str]) -> dict[str, Any]:
    """Return each benchmark's average with its standard error, of the scores with these names."""
    averages = {}
    for summary in score_summaries(run):
        average = _average(summary)
        if summary["score_id"] in names and average is not None:
            protocol = summary.get("protocol", "generation")
            name = summary["benchmark"] + ("" if protocol == "generation" else f" {protocol}")
            averages[name] = (average["value"], average["standard_error"])
    return averages


def _average(summary: dict[str, Any]) -> dict[str, Any] | None:
    """Return a benchmark's own average: of its categories, as the study has it."""
    for measurement in summary["measurements"]:
        if measurement["category"].startswith("average") and measurement["metric"] in AVERAGED:
            return dict(measurement)
    return None
