"""failed.json: which stage of a run failed and why, and when that note goes.

Owns: the file's form. What it means for the run as a whole is said by `cells.state`.

One note: the newest. It names the stage, and where an evaluation failed its benchmark and, as far
as they are known, the prediction and score ids, because the cells of one training may ask one
benchmark in several ways. Notes of earlier versions have the stage alone (`score belle`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import StoreError
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

TRAIN = "train"
UNKNOWN = "unknown"
HARNESS = "lm_eval"
EVALUATING = ("predict", "score", "evaluate")


@dataclass(frozen=True)
class Failure:
    """How a stage of a run failed."""

    stage: str
    """`train`, `predict <benchmark>`, `score <benchmark>`, `evaluate <benchmark>` (a process died
    at it), `lm_eval`; anything else is a stage that is not told."""
    error: str
    benchmark: str = ""
    """Of the evaluation that failed; empty where none did, or where that is not told."""
    prediction_id: str = ""
    score_id: str = ""
    """Empty where the answers failed, which concern every scoring of them."""
    traceback: str = ""

    @property
    def line(self) -> str:
        """The first line of the error."""
        lines = self.error.strip().splitlines()
        return lines[0] if lines else "no message"

    def record(self) -> dict[str, str]:
        """Return the content of failed.json."""
        named = asdict(self)
        always = ("stage", "error", "traceback")
        return {name: text for name, text in named.items() if text or name in always}


def parsed(content: Mapping[str, Any]) -> Failure:
    """Return what a failed.json says; what it lacks is not told."""
    texts = {
        name: value if isinstance(value := content.get(name), str) else ""
        for name in ("stage", "error", "benchmark", "prediction_id", "score_id", "traceback")
    }
    kind, _, benchmark = texts["stage"].partition(" ")
    if not texts["benchmark"]:
        texts["benchmark"] = benchmark if kind in EVALUATING else ""
        if texts["stage"] == HARNESS:
            texts["benchmark"] = HARNESS
    return Failure(**(texts | {"stage": texts["stage"] or UNKNOWN}))


def write(run_directory: RunDirectory, failure: Failure) -> None:
    """Write failed.json; the caller holds the run's lock."""
    run_directory.write(run_files.FAILED, failure.record())


def written_at_ns(directory: Path) -> int | None:
    """Return when a run's failed.json was written, by the file server's clock; None without one."""
    try:
        return (directory / run_files.FAILED).stat().st_mtime_ns
    except OSError:
        return None


def clear_stage(run_directory: RunDirectory, stage: str, benchmark: str = "") -> None:
    """Remove the note of a stage that has succeeded now; that of another stage stays.

    Args:
        run_directory: the run.
        stage: what succeeded.
        benchmark: of the evaluation that succeeded. A later success at a benchmark makes the
            failure before it history, also where the benchmark has been changed since.
    """
    found = _read(run_directory)
    if found is None or (found.benchmark == benchmark if benchmark else found.stage == stage):
        run_directory.remove(run_files.FAILED)


def clear_run(run_directory: RunDirectory, benchmarks: Collection[str]) -> None:
    """Remove what is noted once all that was asked is there.

    The failure of a benchmark that another cell asked of the same training stays.

    Args:
        run_directory: the run.
        benchmarks: the names of those that were asked.
    """
    found = _read(run_directory)
    if found is None or not found.benchmark or found.benchmark in benchmarks:
        run_directory.remove(run_files.FAILED)


def _read(run_directory: RunDirectory) -> Failure | None:
    """Return the note, or None when there is none that can be read."""
    try:
        content = run_directory.read(run_files.FAILED)
    except StoreError:
        return None
    return parsed(content) if isinstance(content, dict) else None
