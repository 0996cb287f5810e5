"""The plan as plain values, for `--json` and other programs.

Owns: the names of these values. Knows nothing of how they are printed.
"""

from __future__ import annotations

from typing import Any

from tunegrid.plan.figures import Basis, Range
from tunegrid.plan.rows import Plan, Row


def rows(plan: Plan) -> list[dict[str, Any]]:
    """Return one JSON-able dict a cell; None where nothing is known.

    Hours are of one device; `marks` says of which figures a mark stands in the printed table.
    """
    return [_plain(row) for row in plan.rows]


def totals(plan: Plan) -> dict[str, Any]:
    """Return the totals as one JSON-able dict."""
    one = plan.totals
    return {
        "named": one.named,
        "cells": one.cells,
        "trainings": one.trainings,
        "untuned": one.untuned,
        "saved": one.saved,
        "saved_hours": one.saved_hours,
        "statuses": {status.value: count for status, count in one.statuses.items()},
        "trainings_left": one.trainings_left,
        "evaluations_left": one.evaluations_left,
        "training_hours": _three(one.training),
        "answering_hours": _three(one.answering),
        "cells_without_hours": one.unknown_hours,
        "judge_calls": one.judge_calls.value,
        "judge_cost": one.judge_cost,
    }


def _plain(row: Row) -> dict[str, Any]:
    numbers, amount = row.numbers, row.amount
    figures = {
        "examples": amount.examples,
        "steps": amount.steps,
        "tokens": amount.tokens,
        "trained_tokens": amount.trained_tokens,
        "memory_bytes": row.memory_bytes,
        "judge_calls": row.judge_calls,
    }
    return {
        "train_id": row.cell.train_id,
        **words_of(row),
        "status": row.progress.status.value,
        "reason": row.progress.reason,
        "sweeps": list(row.sweeps),
        "missing": list(row.missing),
        "shares_training": row.shares_training,
        "trainable_parameters": None if numbers is None else numbers.trainable,
        "total_parameters": None if numbers is None else numbers.total,
        "counted_from": None if numbers is None else numbers.source,
        **{name: figure.value for name, figure in figures.items()},
        "marks": {name: f.basis.mark for name, f in figures.items() if f.basis is not Basis.exact},
        "device": row.device,
        "memory_basis": "measured" if row.memory_is_measured else "formula",
        "training_hours": _three(row.training),
        "answering_hours": _three(row.answering),
        "basis": list(row.bases),
        "judge_cost": row.judge_cost,
        "evaluations_left": row.evaluations,
    }


def _three(hours: Range | None) -> dict[str, float] | None:
    return None if hours is None else dict(vars(hours))


def words_of(row: Row) -> dict[str, Any]:
    """Return the names of a cell's choices; a base as it is has no data, settings or seed."""
    config = row.cell.config
    tuned = config.peft.function is not None
    return {
        "base": config.model.name,
        "method": config.peft.name,
        "quantization": config.quantization.name,
        "data": config.data.name if tuned else None,
        "prompt": config.prompt.name,
        "train": config.train.name if tuned else None,
        "seed": config.seed if tuned else None,
        "eval": config.eval.name,
    }
