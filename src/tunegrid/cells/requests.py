"""What a cell is asked: the items, rendered prompts and names of each benchmark.

Owns: the step from a checked configuration to the questions, which is pure text, so that a
finished cell is recognised without loading torch. Knows nothing of models.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tunegrid.cells import identity, inference_settings, requests
from tunegrid.cells.identity import Cell
from tunegrid.config import schema
from tunegrid.config.choices import Dtype, Precision, Protocol, Stage
from tunegrid.config.errors import ConfigError
from tunegrid.config.fingerprint import canonical_json, text_sha256
from tunegrid.config.functions import find_function, hashed_name
from tunegrid.config.schema import (
    BenchmarkConfig,
    CellConfig,
    DecodingConfig,
    JudgeConfig,
    is_api,
)
from tunegrid.data import prompts
from tunegrid.evaluation.benchmark import Benchmark, Item, limited
from tunegrid.evaluation.judges.judge import Judge
from tunegrid.store.inputs import locate

GENERATION = "generation"
LIKELIHOOD = "likelihood"
LIKELIHOOD_NORMALIZED = "likelihood_normalized"
SCORED_AS = {
    Protocol.generation: (GENERATION,),
    Protocol.likelihood: (LIKELIHOOD, LIKELIHOOD_NORMALIZED),
}
"""The rows that each protocol gives; the two of likelihood share one set of predictions."""

KEPT_BENCHMARKS = 8
_read_before: dict[str, Benchmark] = {}
_rendered_before: dict[tuple[int, str], tuple[Benchmark, tuple[str, ...]]] = {}


@dataclass(frozen=True)
class EvaluationRequest:
    """One benchmark as one cell is asked it, answered and scored one way."""

    name: str
    benchmark: Benchmark
    settings: BenchmarkConfig
    protocol: str
    """One of `generation`, `likelihood`, `likelihood_normalized`."""
    prompts: tuple[str, ...]
    """One rendered prompt per item, in the items' order."""
    max_new_tokens: int
    stops_when_decided: bool
    prediction_id: str
    score_id: str
    judge_name: str
    judge_identity: Mapping[str, Any]
    """All that names the judge and its parameters; empty for a benchmark's own rule."""


def evaluation_requests(cell: Cell, naming: Any = identity) -> list[EvaluationRequest]:
    """Return the benchmarks of a cell with everything that names their answers and scores.

    Args:
        cell: the cell.
        naming: has `prediction_id`, `score_id` and, since there is one, `TEXT_RULE`; an earlier
            format's where its files are looked for, with what rules of ending were called then.

    Raises:
        ConfigError: a protocol that a benchmark does not have.
        DataError: a benchmark's file cannot be read.
    """
    return [
        one for name in schema.benchmarks(cell.config) for one in requests_about(cell, name, naming)
    ]


def requests_about(cell: Cell, name: str, naming: Any = identity) -> list[EvaluationRequest]:
    """Return how a cell is asked one of its benchmarks; see `evaluation_requests`."""
    settings = schema.benchmarks(cell.config)[name]
    benchmark = limited(_benchmark(settings), cell.config.eval.limit)
    found = []
    for protocol in dict.fromkeys(settings.protocols):
        if protocol is Protocol.likelihood and benchmark.choices is None:
            raise ConfigError(
                f"eval.benchmarks.{name}.protocols: {name} has no choices whose likelihoods "
                "could be compared; accepted: generation"
            )
        found += [
            _asked(cell, name, settings, benchmark, scored_as, naming)
            for scored_as in SCORED_AS[protocol]
        ]
    return found


def _benchmark(settings: BenchmarkConfig) -> Benchmark:
    """Return a benchmark; one that was read before, and has not changed since, is not read again.

    A sweep asks the same twelve thousand items of hundreds of cells.
    """
    path = Path(settings.path)
    files = [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]
    stamp = [(os.fspath(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.exists()]
    key = canonical_json([settings.function, os.fspath(path), settings.options, stamp])
    if key not in _read_before:
        if len(_read_before) == KEPT_BENCHMARKS:
            _read_before.pop(next(iter(_read_before)))
        _read_before[key] = find_function("benchmark", settings.function)(path, **settings.options)
    return _read_before[key]


def _asked(
    cell: Cell,
    name: str,
    settings: BenchmarkConfig,
    benchmark: Benchmark,
    protocol: str,
    naming: Any,
) -> EvaluationRequest:
    config = cell.config
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    decoding = config.eval.decoding
    one = EvaluationRequest(
        name=name,
        benchmark=benchmark,
        settings=settings,
        protocol=protocol,
        prompts=_rendered(config, benchmark),
        max_new_tokens=settings.max_new_tokens or decoding.max_new_tokens,
        stops_when_decided=(
            settings.stops_when_decided
            # A server writes an answer to its end.
            and not is_api(config.model)
            and benchmark.is_decided is not None
            # Beams are compared by how they go on, so an early end would change the winner.
            and decoding.beams == 1
            # What is behind a stop text is not read; one with letters could take back a decision.
            and not any(character.isalnum() for character in config.prompt.stop)
        ),
        prediction_id="",
        score_id="",
        judge_name="rule",
        judge_identity={},
    )
    prediction = prediction_name(config, cell.train_id, one, naming)
    further: dict[str, Any] = {} if protocol == GENERATION else {"pick": protocol}
    judge = None
    if benchmark.needs_judge:
        options = locate.identifying_options(
            "judge", config.judge.function, config.judge.options, cache
        )
        judge = replace(config.judge, options=options)
        if build_judge(config).ask is not None:
            rubrics = canonical_json(dict(benchmark.judge_prompts))
            further["judge_prompts"] = text_sha256(rubrics)
    scored_by = replace(
        settings,
        options=locate.identifying_options("benchmark", settings.function, settings.options, cache),
    )
    return replace(
        one,
        prediction_id=prediction,
        score_id=naming.score_id(
            prediction, scored_by, benchmark.sha256, judge, config.prompt, further
        ),
        judge_name="rule" if judge is None else judge_label(config.judge),
        judge_identity={}
        if judge is None
        else {"function": hashed_name(judge.function), "options": judge.options},
    )


def _rendered(config: CellConfig, benchmark: Benchmark) -> tuple[str, ...]:
    """Return one prompt an item; what was rendered before is not rendered again.

    A sweep of a thousand cells that is asked for again needs nothing but their names.
    """
    words = canonical_json([asdict(config.prompt), config.eval.prompt_suffix, is_api(config.model)])
    known = _rendered_before.get((id(benchmark), words))
    # An id is used again once its object is gone; the kept one is not.
    if known is not None and known[0] is benchmark:
        return known[1]
    found = tuple(render_item(config, item) for item in benchmark.items)
    if len(_rendered_before) == KEPT_BENCHMARKS:
        _rendered_before.pop(next(iter(_rendered_before)))
    _rendered_before[id(benchmark), words] = (benchmark, found)
    return found


def judge_label(judge: JudgeConfig) -> str:
    """Return the judge's name, with its model's where it has one: rows must tell them apart."""
    model = judge.options.get("model") or judge.options.get("path")
    return judge.name if model is None else f"{judge.name}:{Path(str(model)).name}"


def prediction_name(
    config: CellConfig, train_id: str, asked: EvaluationRequest, naming: Any = identity
) -> str:
    """Return the prediction id of a cell, this or another one, that is asked these questions."""
    items = asked.benchmark.items
    decoding = config.eval.decoding
    further = batch_policy(config)
    if hasattr(naming, "TEXT_RULE"):
        further["text"] = naming.TEXT_RULE
    max_new_tokens = asked.max_new_tokens
    if asked.stops_when_decided and asked.protocol == GENERATION:
        decision = asked.benchmark.decision
        further["stops_when_decided"] = getattr(naming, "DECISIONS", {}).get(decision, decision)
    if asked.protocol != GENERATION:
        choices = asked.benchmark.choices
        further |= {
            "protocol": LIKELIHOOD,
            "separator": config.prompt.separator,
            "choices": [] if choices is None else [choices(item) for item in items],
        }
        # Nothing is generated, so how it would be has no part in it.
        decoding, max_new_tokens = DecodingConfig(), 0
    name: str = naming.prediction_id(
        train_id,
        asked.name,
        asked.benchmark.version,
        [(item.identifier, text) for item, text in zip(items, asked.prompts, strict=True)],
        decoding,
        max_new_tokens,
        "" if is_api(config.model) else config.prompt.stop,
        config.seed,
        further,
    )
    return name


def batch_policy(config: CellConfig) -> dict[str, Any]:
    """Return what keeps answers from depending on their batch, where the precision makes them.

    In 32 bit they do not, up to rounding. 8-bit bases multiply with dequantized weights
    (`tunegrid.models.bases.packed`), because LLM.int8 picks its outliers over the whole batch. In
    16 and 4 bit kernels are chosen by the shape of a batch, so that its size is part of what was
    asked.
    """
    if is_api(config.model):
        return {}
    quantization = inference_settings.held(config)
    precision = quantization.precision
    policy: dict[str, Any] = inference_settings.facts(config)
    if precision is Precision.int8:
        policy["int8"] = "dequantized"
    is_exact = precision in (Precision.fp32, Precision.int8)
    if not is_exact or quantization.dtype is not Dtype.float32:
        policy["batch_tokens"] = config.runtime.generation_batch_tokens
    return policy


def render_item(config: CellConfig, item: Item) -> str:
    """Return the prompt of one item, with the evaluation's suffix on its instruction.

    To a base behind a server it is the question alone: the server has a template of its own.
    """
    question = item.question + config.eval.prompt_suffix
    if is_api(config.model):
        return question
    if item.form == "multiple_choice":
        return prompts.render_choice(config.prompt, question)
    return prompts.render(config.prompt, question)


def build_judge(config: CellConfig) -> Judge:
    """Return the judge that the configuration names."""
    try:
        judge: Judge = find_function("judge", config.judge.function)(**config.judge.options)
    except TypeError as error:
        # Refused with what is accepted before a launch; a plan goes on with the other cells.
        raise ConfigError(f"judge.options: {error}") from error
    return judge


def requests_of(cell: Cell) -> list[EvaluationRequest]:
    """Return the benchmarks that a cell's stage asks for."""
    return [] if cell.config.stage is Stage.train else requests.evaluation_requests(cell)
