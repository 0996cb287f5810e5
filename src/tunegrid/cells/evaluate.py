"""The evaluation of a cell, step by step: answers, scores, harness, and the end.

Owns: what each step notes when it fails and what the end writes, for a cell by itself and for cells
that share a base alike. In which order the steps follow is its callers' choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunegrid.cells import attempts, failure, wanted
from tunegrid.cells.identity import Cell
from tunegrid.cells.loaded_models import Models
from tunegrid.cells.requests import EvaluationRequest, build_judge
from tunegrid.cells.stages import lm_eval, predict, score
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

ShouldStop = Callable[[], bool]


def answer(
    cell: Cell, run: RunDirectory, one: EvaluationRequest, models: Models, stop: ShouldStop
) -> None:
    """Write a cell's answers to one benchmark, unless they are there."""
    with attempts.answering(run, one):
        predict.predict(cell, run, one, models, stop)


def rate(cell: Cell, run: RunDirectory, one: EvaluationRequest, stop: ShouldStop) -> str | None:
    """Write the scores of the answers to one benchmark; return why they are incomplete, or None."""
    with attempts.scoring(run, one):
        summary = score.score(cell, run, one, stop)
    return score.incomplete_message(summary) if summary["incomplete"] else None


def needs_the_device(cell: Cell, one: EvaluationRequest) -> bool:
    """Return whether a judge loads a model to rate the answers, for which the answering one goes.

    Two bases at once would not fit where one fills the device.
    """
    return bool(one.judge_identity) and build_judge(cell.config).loads_model


def harness(cell: Cell, run: RunDirectory, models: Models) -> list[str]:
    """Run the tasks of lm-evaluation-harness that a cell asks for; return their score's name."""
    if not cell.config.eval.tasks:
        return []
    with attempts.harness(run, wanted.harness_id(cell)):
        return [lm_eval.run(cell, run, models)]


def conclude(
    cell: Cell, run: RunDirectory, asked: Sequence[EvaluationRequest], further: Sequence[str]
) -> None:
    """Write results.json: everything that was asked for has its scores.

    Args:
        cell: the cell.
        run: its directory, locked.
        asked: the benchmarks it was asked.
        further: names of further scores.
    """
    scores = [*(one.score_id for one in asked), *further]
    run.write(run_files.RESULTS, {"scores": scores})
    # A note of a process that was killed belongs to no stage that could remove it.
    failure.clear_run(run, wanted.benchmarks(cell))
