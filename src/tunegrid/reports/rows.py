"""Run directories to tidy rows: one measurement a row, one run a row.

Owns: the columns of metrics.csv and runs.csv. Knows nothing of how a number came about.
A missing cell is a missing row: nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from tunegrid.cells import state
from tunegrid.cells.labels import words
from tunegrid.config.errors import StoreError
from tunegrid.reports.index import Facts, Memory
from tunegrid.store import json_files, run_files
from tunegrid.store.run_directory import RunDirectory

METRIC_COLUMNS = (
    "train_id", "base", "method", "data", "prompt", "quantization", "seed", "inference_precision",
    "compute_dtype", "benchmark", "version", "protocol", "category", "metric", "value",
    "standard_error", "items", "unscored", "judge", "incomplete", "suspect", "score_id", "kind",
)  # fmt: skip

RUN_COLUMNS = (
    "train_id", "kind", "status", "suspect", "base", "method", "data", "prompt", "quantization",
    "compute_dtype", "train", "seed", "trainable_parameters", "total_parameters", "examples",
    "trained_tokens", "truncated", "steps", "seconds", "tokens_per_second", "peak_memory_bytes",
    "first_loss", "final_loss", "hardware", "commit", "error",
)  # fmt: skip


def readable(
    runs: Iterable[RunDirectory], memory: Memory | None = None
) -> tuple[list[RunDirectory], list[tuple[RunDirectory, str]]]:
    """Return the runs whose files can be read, and the others with what is wrong with them.

    A damaged run is named and left out; it does not keep the others from their tables. So is a
    copy: a directory whose name is not its cell's would count twice.
    """
    memory = memory or Memory()
    good, broken = [], []
    for run in runs:
        try:
            named = _facts(run, memory)["labels"]["train_id"]
            metric_rows([run], memory)
            run_rows([run], memory=memory)
        except (StoreError, KeyError, TypeError, AttributeError) as error:
            what = str(error) if isinstance(error, StoreError) else f"a file lacks {error}"
            broken.append((run, what))
        else:
            if named == run.path.name:
                good.append(run)
            else:
                broken.append((run, f"it is a copy of {named}; move it away from runs/"))
    return good, broken


def metric_rows(runs: Iterable[RunDirectory], memory: Memory | None = None) -> list[dict[str, Any]]:
    """Return one row per measurement of every scored benchmark, with `METRIC_COLUMNS`.

    Args:
        runs: their directories.
        memory: what is known of them from before.
    """
    memory = memory or Memory()
    rows = []
    for run in runs:
        facts = _facts(run, memory)
        doubts = "; ".join(suspects(run, memory))
        for summary in facts["summaries"]:
            for measurement in summary["measurements"]:
                rows.append(
                    _only(
                        METRIC_COLUMNS,
                        {"protocol": "generation", "incomplete": False}
                        | facts["labels"]
                        | summary
                        | measurement
                        | {
                            "suspect": doubts,
                            "inference_precision": summary.get("answered_in", ""),
                        },
                    )
                )
    return rows


def run_rows(
    runs: Iterable[RunDirectory],
    asked: Mapping[str, Collection[str]] | None = None,
    memory: Memory | None = None,
) -> list[dict[str, Any]]:
    """Return one row per run, finished or not, with `RUN_COLUMNS`.

    Args:
        runs: their directories.
        asked: names of the scores that are asked of each run, by train_id; without it the status
            is that of the run by itself.
        memory: what is known of the runs from before.
    """
    memory = memory or Memory()
    return [_run_row(run, None if asked is None else asked[run.path.name], memory) for run in runs]


def score_summaries(run: RunDirectory) -> list[dict[str, Any]]:
    """Return the summaries of every scoring of a run in the order of their names."""
    paths = sorted((run.path / run_files.SCORES).glob("*.json"))
    return [json_files.read_json(path) for path in paths]


def _facts(run: RunDirectory, memory: Memory) -> Facts:
    """Return all that rows need of a run's files, and its state where nobody writes it."""
    return memory.facts(run, _read_facts)


def _read_facts(run: RunDirectory) -> Facts:
    found = state.of_run(run.path)
    return {
        "labels": words(run),
        "report": _read_if_there(run, run_files.TRAINED),
        "provenance": _read_if_there(run, run_files.PROVENANCE),
        "summaries": score_summaries(run),
        "state": [found.status.value, found.reason],
    }


def _state(run: RunDirectory, asked: Collection[str] | None, facts: Facts) -> tuple[str, str]:
    """Return status and reason; what lies in the files alone is known from before."""
    if asked is None and not run.has(run_files.LOCK):
        status, reason = facts["state"]
        # A run that was read while a process wrote it is looked at again.
        if status != state.Status.running.value:
            return status, reason
    found = state.of_run(run.path, asked=None if asked is None else list(asked))
    return found.status.value, found.reason


def _run_row(run: RunDirectory, asked: Collection[str] | None, memory: Memory) -> dict[str, Any]:
    facts = _facts(run, memory)
    report, hardware = facts["report"], facts["provenance"].get("hardware", {})
    status, reason = _state(run, asked, facts)
    found = {
        "status": status,
        "suspect": "; ".join(suspects(run, memory)),
        "examples": report.get("examples"),
        "first_loss": report.get("first_tenth_loss"),
        "final_loss": report.get("last_tenth_loss"),
        "hardware": ", ".join([*hardware.get("graphics", []), hardware.get("processor") or ""]),
        "commit": facts["provenance"].get("commit", {}).get("revision"),
        "error": reason if status in [bad.value for bad in state.BAD] else None,
    }
    return _only(RUN_COLUMNS, report | facts["labels"] | found)


def suspects(run: RunDirectory, memory: Memory | None = None) -> list[str]:
    """Return why the cell is not to be trusted (rule 5), empty when nothing speaks against it."""
    memory = memory or Memory()
    facts = _facts(run, memory)
    reasons = list(facts["report"].get("suspect", []))
    for summary in facts["summaries"]:
        own = list(summary.get("suspect", []))
        if _equals_base(run, summary, memory):
            own.append("every answer equals the untuned base's: the adapter has no effect")
        reasons += [f"{summary['benchmark']}: {reason}" for reason in own]
    # A run that was asked the same in several ways may have the same said of each.
    return list(dict.fromkeys(reasons))


def _equals_base(run: RunDirectory, summary: dict[str, Any], memory: Memory) -> bool:
    """Return whether every answer is the untuned base's, as far as that base was ever asked.

    Looked up when rows are made: the base may be run after the cell.
    """
    base = summary.get("base_prediction")
    own = run.path / run_files.PREDICTIONS / f"{summary.get('prediction_id')}.jsonl"
    theirs = run.path.parent / base if base else None
    if theirs is None or not theirs.exists() or not own.exists():
        return False
    return memory.answers(own) == memory.answers(theirs)


def _read_if_there(run: RunDirectory, name: str) -> dict[str, Any]:
    return run.read(name) if run.has(name) else {}


def _only(columns: tuple[str, ...], values: dict[str, Any]) -> dict[str, Any]:
    return {column: values.get(column) for column in columns}


def write_csv(rows: list[dict[str, Any]], columns: tuple[str, ...], path: Path) -> None:
    """Write rows as CSV, atomically; None is an empty cell."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    # Whole numbers with gaps would become 12.0 in a float column.
    frame = frame.convert_dtypes()
    json_files.write_text(path, frame.to_csv(index=False, lineterminator="\n"))
