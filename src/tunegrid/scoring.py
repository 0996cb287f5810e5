"""Scores of a cell's answers: by a benchmark's own rule, or by a judge.

Owns: scores/<id>.jsonl and its summary. Knows nothing of models that answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tunegrid import evaluation, gates, identity, prompts, store
from tunegrid.benchmarks.benchmark import ItemScore
from tunegrid.evaluation import Asked
from tunegrid.identity import Cell
from tunegrid.store import RunDirectory


def score(cell: Cell, run_directory: RunDirectory, asked: Asked) -> None:
    """Write scores/<id>.jsonl (one line an item) and, last, scores/<id>.json (the summary)."""
    final = f"{store.SCORES}/{asked.score_id}.json"
    if run_directory.has(final):
        return
    config, benchmark = cell.config, asked.benchmark
    records = run_directory.read_lines(f"{store.PREDICTIONS}/{asked.prediction_id}.jsonl")
    answers = [prompts.cut_answer(config.prompt, record["text"]) for record in records]
    note = ""
    if benchmark.score is not None:
        rate: Callable[[Any, str], ItemScore] = benchmark.score
    else:
        judge = evaluation.build_judge(config)
        rate, note = judge.rate, judge.description
    scores = [rate(item, text) for item, text in zip(benchmark.items, answers, strict=True)]
    run_directory.write_lines(
        f"{store.SCORES}/{asked.score_id}.jsonl",
        [
            asdict(score) | {"category": item.category, "answer": text}
            for item, score, text in zip(benchmark.items, scores, answers, strict=True)
        ],
    )
    unparsed = sum(score.reason == "unparsed" for score in scores)
    suspects = gates.answer_reasons(answers, _base_answers(cell, asked))
    summary = {
        "score_id": asked.score_id,
        "prediction_id": asked.prediction_id,
        "benchmark": asked.name,
        "version": benchmark.version,
        "judge": asked.judge_name,
        "note": note,
        "suspect": suspects + gates.score_reasons(unparsed, len(scores)),
        "measurements": [asdict(m) for m in benchmark.summarize(benchmark.items, scores)],
    }
    run_directory.write(final, summary)


def _base_answers(cell: Cell, asked: Asked) -> list[str] | None:
    """Return what the untuned base answered to the same prompts, where that was ever run."""
    if cell.config.peft.function is None:
        return None
    base = identity.untuned(cell)
    name = evaluation.prediction_name(cell.config, base.train_id, asked)
    path = base.directory / store.PREDICTIONS / f"{name}.jsonl"
    if not os.path.exists(path):
        return None
    records = store.read_json_lines(path)
    return [prompts.cut_answer(cell.config.prompt, record["text"]) for record in records]
