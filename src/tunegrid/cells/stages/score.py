"""Scores of a cell's answers: by a benchmark's own rule, or by a judge.

Owns: scores/<id>.jsonl and its summary. Knows nothing of models that answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tunegrid.cells import gates, identity, inference_settings, requests
from tunegrid.cells.identity import Cell
from tunegrid.cells.requests import GENERATION, LIKELIHOOD, EvaluationRequest
from tunegrid.cells.stages import judge as judging
from tunegrid.cells.stages.judge import Rated
from tunegrid.config.errors import StoreError
from tunegrid.config.schema import is_api
from tunegrid.data import prompts
from tunegrid.evaluation.benchmark import Benchmark, Item, ItemScore, Measurement
from tunegrid.evaluation.judges.judge import Judge
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


@dataclass(frozen=True)
class Names:
    """What one scoring is called, in files and in rows."""

    benchmark: str
    version: str
    protocol: str
    prediction_id: str
    score_id: str
    judge: str
    settings: str = ""
    """Hash of how was decoded and judged: scores are compared only where it is the same. Empty
    for answers made elsewhere."""
    base_prediction: str = ""
    """Where the untuned base's answers to the same prompts lie, if they were ever made."""
    answered_in: str = ""
    """How the base was held while it answered, where that is not how it was trained."""
    compute_dtype: str | None = None
    """The type it computed in meanwhile; None for answers made elsewhere."""


def score(
    cell: Cell,
    run_directory: RunDirectory,
    asked: EvaluationRequest,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Write scores/<id>.jsonl (one line an item) and, last, scores/<id>.json; return the latter.

    What is there already is not scored again, unless it was incomplete.

    Raises:
        Stopped: `should_stop` became true; a judge's replies so far are kept.
    """
    final = f"{run_files.SCORES}/{asked.score_id}.json"
    if run_directory.has(final):
        summary: dict[str, Any] = run_directory.read(final)
        if not summary.get("incomplete"):
            return summary
    given = f"{run_files.PREDICTIONS}/{asked.prediction_id}.jsonl"
    records = run_directory.read_lines(given)
    if len(records) != len(asked.benchmark.items):
        raise StoreError(
            f"{run_directory.path / given} has {len(records)} answers to "
            f"{len(asked.benchmark.items)} items: it was cut off. Remove it and run the same "
            "command again; its stage is repeated"
        )
    answers = [answer_in(cell, asked.protocol, record) for record in records]
    judge = None if asked.benchmark.score is not None else requests.build_judge(cell.config)
    rated = rate(run_directory, asked.benchmark, answers, judge, asked.judge_identity, should_stop)
    names = Names(
        asked.name, asked.benchmark.version, asked.protocol, asked.prediction_id,
        asked.score_id, asked.judge_name, _settings(cell, asked), base_prediction(cell, asked),
        inference_settings.label(cell.config), inference_settings.held(cell.config).dtype.value,
    )  # fmt: skip
    return write(
        run_directory, names, asked.benchmark, answers, rated,
        note="" if judge is None else judge.description,
        suspects=gates.answer_reasons(answers) + _cut(cell, asked, records),
    )  # fmt: skip


def _cut(cell: Cell, asked: EvaluationRequest, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what speaks against answers that did not end; no base as it is was taught to."""
    if cell.config.peft.function is None or asked.protocol != GENERATION:
        return []
    return gates.cut_reasons([str(record.get("finished", "")) for record in records])


def answer_in(cell: Cell, protocol: str, record: Mapping[str, Any]) -> str:
    """Return what a prediction says: its text up to the stop, or its likeliest choice."""
    if protocol == GENERATION:
        text = str(record["text"])
        if is_api(cell.config.model):
            # The stop belongs to the template, which it was not shown: a heading ends no answer.
            return text.strip()
        return prompts.cut_answer(cell.config.prompt, text)
    likelihoods: Sequence[Mapping[str, Any]] = record["likelihoods"]

    def weight(choice: Mapping[str, Any]) -> float:
        total: float = choice["log_likelihood"] + choice["end_log_likelihood"]
        return total if protocol == LIKELIHOOD else total / (choice["tokens"] + 1)

    # `max` takes the first of equals: the choices' own order decides.
    return str(max(likelihoods, key=weight)["choice"])


def rate(
    run_directory: RunDirectory,
    benchmark: Benchmark,
    answers: Sequence[str],
    judge: Judge | None,
    judge_identity: Mapping[str, Any],
    should_stop: Callable[[], bool],
) -> Rated:
    """Return the scores of answers by the benchmark's rule or, where it has none, by a judge."""
    if benchmark.score is None and judge is not None and judge.ask is not None:
        return judging.rate(run_directory, benchmark, answers, judge, judge_identity, should_stop)
    rule: Callable[[Item, str], ItemScore] | None = benchmark.score
    if rule is None and judge is not None:
        rule = judge.rate
    if rule is None:
        raise ValueError(f"{benchmark.name} has no rule, and no judge was given")
    scores = [rule(item, text) for item, text in zip(benchmark.items, answers, strict=True)]
    return Rated(scores, {}, {}, is_incomplete=False)


def write(
    run_directory: RunDirectory,
    names: Names,
    benchmark: Benchmark,
    answers: Sequence[str],
    rated: Rated,
    *,
    note: str,
    suspects: list[str],
) -> dict[str, Any]:
    """Write the scores of one scoring and, last, its summary; return the summary.

    An incomplete scoring has no mean over what happened to work: only categories in which every
    item has its score keep their value.
    """
    scores = rated.scores
    run_directory.write_lines(
        f"{run_files.SCORES}/{names.score_id}.jsonl",
        [
            _without_empty(asdict(score))
            | {"category": item.category, "answer": text}
            | ({"repeats": rated.repeats[item.identifier]} if rated.repeats else {})
            for item, score, text in zip(benchmark.items, scores, answers, strict=True)
        ],
    )
    measurements = benchmark.summarize(benchmark.items, scores)
    if rated.is_incomplete:
        measurements = [_without_mean(row) for row in measurements]
    reasons = Counter(score.reason for score in scores)
    unparsed = sum(n for reason, n in reasons.items() if reason.startswith(judging.UNPARSED))
    summary = {
        **asdict(names),
        "note": note,
        "incomplete": rated.is_incomplete,
        "problems": rated.problems,
        "suspect": suspects
        + gates.score_reasons(unparsed, len(scores))
        + gates.reading_reasons([score.readings for score in scores]),
        "measurements": [asdict(row) for row in measurements],
    }
    run_directory.write(f"{run_files.SCORES}/{names.score_id}.json", summary)
    return summary


def _without_empty(score: dict[str, Any]) -> dict[str, Any]:
    """Return a score's line; most benchmarks have one rule alone."""
    return {key: value for key, value in score.items() if key != "readings" or value}


def _without_mean(row: Measurement) -> Measurement:
    return row if row.unscored == 0 else replace(row, value=None, standard_error=None)


def incomplete_message(summary: Mapping[str, Any]) -> str:
    """Return what an incomplete scoring lacks and what to do."""
    reasons = "; ".join(f"{count} x {reason}" for reason, count in summary["problems"].items())
    return (
        f"{summary['benchmark']} scored by {summary['judge']} is incomplete: {reasons}. Every "
        "reply is kept; the same command asks for what is missing (unparsed replies count as "
        "answered: judge.options.max_unparsed_share says how many may be left out)"
    )


def _settings(cell: Cell, asked: EvaluationRequest) -> str:
    """Return the hash of how answers were made and judged, whatever cell made them."""
    config = cell.config
    decoding = asdict(config.eval.decoding) | {"seed": config.seed}
    if not config.eval.decoding.sample:
        decoding.pop("seed")
    generated = asked.protocol == GENERATION
    return identity.short_hash(
        {
            "decoding": decoding if generated else None,
            "max_new_tokens": asked.max_new_tokens if generated else None,
            "suffix": config.eval.prompt_suffix,
            "judge": dict(asked.judge_identity),
            "options": asked.settings.options,
            **inference_settings.facts(config),
        }
    )


def base_prediction(cell: Cell, asked: EvaluationRequest, naming: Any = identity) -> str:
    """Return where the untuned base's answers to the same prompts would lie, under runs/.

    For `naming` see `requests.evaluation_requests`.
    """
    if cell.config.peft.function is None or not inference_settings.is_as_trained(cell.config):
        return ""
    base = identity.untuned(cell)
    name = requests.prediction_name(cell.config, base.train_id, asked, naming)
    return f"{base.train_id}/{run_files.PREDICTIONS}/{name}.jsonl"
