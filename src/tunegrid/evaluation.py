"""What a cell is asked: the items, rendered prompts and names of each benchmark.

Owns: the step from a checked configuration to the questions, which is pure text, so that a
finished cell is recognised without loading torch. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunegrid import contents, identity, prompts
from tunegrid.benchmarks.benchmark import Benchmark, Item, limited
from tunegrid.identity import Cell
from tunegrid.judges.judge import Judge
from tunegrid.schema import BenchmarkConfig, CellConfig
from tunegrid.wiring import find_function


@dataclass(frozen=True)
class Asked:
    """One benchmark as one cell is asked it."""

    name: str
    benchmark: Benchmark
    settings: BenchmarkConfig
    prompts: tuple[str, ...]
    """One rendered prompt per item, in the items' order."""
    max_new_tokens: int
    prediction_id: str
    score_id: str
    judge_name: str


def asked(cell: Cell) -> list[Asked]:
    """Return the benchmarks of a cell with everything that names their answers and scores.

    Raises:
        DataError: a benchmark's file cannot be read.
    """
    return [
        _asked(cell, name, settings) for name, settings in contents.benchmarks(cell.config).items()
    ]


def _asked(cell: Cell, name: str, settings: BenchmarkConfig) -> Asked:
    config = cell.config
    read = find_function(settings.function)
    benchmark = limited(read(Path(settings.path), **settings.options), config.eval.limit)
    rendered = tuple(render_item(config, item) for item in benchmark.items)
    max_new_tokens = settings.max_new_tokens or config.eval.decoding.max_new_tokens
    prediction = _prediction_id(config, cell.train_id, name, benchmark, rendered, max_new_tokens)
    judge = config.judge if benchmark.needs_judge else None
    return Asked(
        name=name,
        benchmark=benchmark,
        settings=settings,
        prompts=rendered,
        max_new_tokens=max_new_tokens,
        prediction_id=prediction,
        score_id=identity.score_id(prediction, settings, benchmark.sha256, judge, config.prompt),
        judge_name="rule" if judge is None else judge.name,
    )


def _prediction_id(
    config: CellConfig,
    train_id: str,
    name: str,
    benchmark: Benchmark,
    rendered: Sequence[str],
    max_new_tokens: int,
) -> str:
    return identity.prediction_id(
        train_id,
        name,
        benchmark.version,
        [(item.identifier, text) for item, text in zip(benchmark.items, rendered, strict=True)],
        config.eval.decoding,
        max_new_tokens,
        config.prompt.stop,
        config.seed,
    )


def prediction_name(config: CellConfig, train_id: str, asked: Asked) -> str:
    """Return the prediction id of another cell that is asked the same questions."""
    return _prediction_id(
        config, train_id, asked.name, asked.benchmark, asked.prompts, asked.max_new_tokens
    )


def render_item(config: CellConfig, item: Item) -> str:
    """Return the prompt of one item, with the evaluation's suffix on its instruction."""
    question = item.question + config.eval.prompt_suffix
    if item.form == "multiple_choice":
        return prompts.render_choice(config.prompt, question)
    return prompts.render(config.prompt, question)


def build_judge(config: CellConfig) -> Judge:
    """Return the judge that the configuration names."""
    judge: Judge = find_function(config.judge.function)(**config.judge.options)
    return judge
