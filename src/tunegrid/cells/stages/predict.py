"""Answers of a cell to a benchmark, written so that an interrupted run goes on where it was.

Owns: predictions/<id>.jsonl and its unfinished form. Knows nothing of scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Protocol

from tunegrid.cells.identity import Cell
from tunegrid.cells.requests import GENERATION, EvaluationRequest
from tunegrid.cells.stages import ask_api
from tunegrid.config.choices import Engine
from tunegrid.config.errors import Stopped
from tunegrid.config.schema import is_api
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


class AnsweringModels(Protocol):
    """What answers: loaded when it is asked for, so that finished answers cost no loading."""

    @property
    def tokenizer(self) -> Any:
        """The base's tokenizer."""

    def answering(self) -> Any:
        """Return the base, or the base with the cell's trained weights."""

    def engine(self) -> Any:
        """Return vLLM with the base."""

    @property
    def room(self) -> int | None:
        """The longest text the base reads; None for no limit."""


def predict(
    cell: Cell,
    run_directory: RunDirectory,
    asked: EvaluationRequest,
    models: AnsweringModels,
    should_stop: Callable[[], bool],
) -> None:
    """Write predictions/<id>.jsonl in the items' order; an interrupted one goes on in batches."""
    final = f"{run_files.PREDICTIONS}/{asked.prediction_id}.jsonl"
    if run_directory.has(final):
        return
    part = f"{run_files.PREDICTIONS}/{asked.prediction_id}.part.jsonl"
    kept = {record["index"]: record for record in run_directory.read_lines(part)}
    run_directory.write_lines(part, kept.values())
    done = frozenset(kept)
    if is_api(cell.config.model):
        answers = ask_api.answers(cell, run_directory, asked, done, should_stop)
    elif asked.protocol == GENERATION:
        answers = _generated(cell, asked, models, done)
    else:
        answers = _likelihoods(cell, asked, models, done)
    for index, given in answers:
        item = asked.benchmark.items[index]
        kept[index] = {
            "index": index,
            "identifier": item.identifier,
            "category": item.category,
            "prompt": asked.prompts[index],
            **given,
        }
        run_directory.append_line(part, kept[index])
        if should_stop():
            raise Stopped
    run_directory.write_lines(final, [kept[i] for i in range(len(asked.prompts))])
    run_directory.remove(part)


def _generated(
    cell: Cell, asked: EvaluationRequest, models: AnsweringModels, done: frozenset[int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    from tunegrid.models.inference import generation, vllm_engine

    runtime, benchmark = cell.config.runtime, asked.benchmark
    rule = benchmark.is_decided if asked.stops_when_decided else None
    shared: dict[str, Any] = {
        "decoding": cell.config.eval.decoding,
        "max_new_tokens": asked.max_new_tokens,
        "stop": cell.config.prompt.stop,
        "seed": cell.config.seed,
        "progress_label": asked.name,
        "progress": runtime.progress,
        "done": done,
        "is_decided": None
        if rule is None
        else (lambda index, text: rule(benchmark.items[index], text)),
    }
    if cell.config.eval.engine is Engine.vllm:
        tuned = cell.config.peft.function is not None
        adapter = RunDirectory(cell.directory).adapter if tuned else None
        answers = vllm_engine.answer(
            models.engine(), models.tokenizer, asked.prompts, room=models.room, adapter=adapter,
            **shared,
        )  # fmt: skip
    else:
        answers = generation.answer(
            models.answering(), models.tokenizer, asked.prompts,
            batch_tokens=runtime.generation_batch_tokens, **shared,
        )  # fmt: skip
    for index, given in answers:
        yield (
            index,
            {
                "text": given.text,
                "new_tokens": given.new_tokens,
                "finished": given.finished,
                "batch_rows": given.batch_rows,
            },
        )


def _likelihoods(
    cell: Cell, asked: EvaluationRequest, models: AnsweringModels, done: frozenset[int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    from tunegrid.models.inference.likelihood import likelihoods

    runtime, choices = cell.config.runtime, asked.benchmark.choices
    if choices is None:
        raise ValueError(f"{asked.name} has no choices")
    found = likelihoods(
        models.answering(),
        models.tokenizer,
        asked.prompts,
        [choices(item) for item in asked.benchmark.items],
        separator=cell.config.prompt.separator,
        batch_tokens=runtime.generation_batch_tokens,
        progress_label=f"{asked.name} likelihoods",
        progress=runtime.progress,
        done=done,
    )
    for index, scores in found:
        yield index, {"likelihoods": [asdict(score) for score in scores]}
