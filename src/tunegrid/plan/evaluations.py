"""What is left to answer and to judge: items, new tokens, calls of the judge and their cost.

Owns: these counts. Reading a benchmark's file takes seconds, so the number of its items is a fact
that is kept; imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunegrid.cells import api_base, requests
from tunegrid.cells.identity import Cell
from tunegrid.cells.state import RunState
from tunegrid.config import schema
from tunegrid.config.choices import Protocol, Stage
from tunegrid.config.errors import ConfigError, TunegridError
from tunegrid.config.fingerprint import canonical_json
from tunegrid.config.functions import find_function, find_module
from tunegrid.config.schema import BenchmarkConfig, CellConfig
from tunegrid.plan import hours
from tunegrid.plan.calibration import Measurement
from tunegrid.plan.facts import REFUSED, Job
from tunegrid.plan.figures import Basis, Figure
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

# Assumed where nothing has been answered or judged yet.
SHARE_OF_LIMIT = 0.4
DECIDED_TOKENS = 16
JUDGE_PROMPT_TOKENS = 600
JUDGE_NEW_TOKENS = 200


@dataclass(frozen=True)
class Evaluation:
    """One benchmark of one cell, answered one way."""

    benchmark: str
    key: str
    """Equal for two cells that share these answers and scores."""
    items: Figure
    """Still to answer."""
    new_tokens: Figure
    """Of a mean answer; 0 where likelihoods are compared."""
    choices: bool
    """Whether likelihoods are compared instead of answers written."""
    judge_calls: Figure
    """Of a base behind a server, its own calls are among them."""
    judge_cost: float | None
    """In the money of the stated prices; None where none is stated."""


def jobs(config: CellConfig) -> list[Job]:
    """Return what counts the items of a cell's benchmarks, as far as their files are here."""
    found = []
    for settings in schema.benchmarks(config).values():
        path = Path(settings.path)
        if path.exists():
            found.append(_job(settings, path))
    return found


def _job(settings: BenchmarkConfig, path: Path) -> Job:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = [(str(file), file.stat()) for file in files if file.is_file()]
    depends_on = {
        "function": settings.function,
        "options": settings.options,
        "files": [[name, status.st_size, status.st_mtime_ns] for name, status in found],
    }
    return Job("benchmark", depends_on, counted, (settings.function, path, settings.options))


def counted(function: str, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many items a benchmark has, and how it is answered and scored.

    Raises:
        DataError: it cannot be read.
    """
    benchmark = find_function("benchmark", function)(path, **options)
    return {
        "items": len(benchmark.items),
        "needs_judge": benchmark.needs_judge,
        "decides": benchmark.is_decided is not None,
    }


def left(
    cell: Cell,
    facts: Mapping[str, Mapping[str, Any]],
    measurements: Sequence[Measurement],
    *,
    state: RunState,
) -> list[Evaluation]:
    """Return what a cell's benchmarks still need; nothing of one that is answered and scored.

    Args:
        cell: with or without its files.
        facts: what `jobs` have found out, by name.
        measurements: for the length of answers.
        state: how far the cell is.
    """
    if cell.config.stage is Stage.train:
        return []
    answered, scored = _there(cell, state) if state.is_trained else (set[str](), set[str]())
    found = []
    for name, settings in schema.benchmarks(cell.config).items():
        for protocol in dict.fromkeys(settings.protocols):
            if (name, protocol) not in scored:
                is_answered = (name, protocol) in answered
                found.append(_one(cell, name, settings, protocol, facts, measurements, is_answered))
    return found


def _there(cell: Cell, state: RunState) -> tuple[set[Any], set[Any]]:
    """Return which benchmarks, by name and protocol, are answered and which are scored, too."""
    run = RunDirectory(cell.directory)
    try:
        asked = requests.evaluation_requests(cell)
    except (TunegridError, OSError):
        return set(), set()
    answered, unscored = set(), set()
    finished = {one.score_id for one in state.evaluations if one.is_finished}
    for one in asked:
        is_generated = one.protocol == requests.GENERATION
        place = (one.name, Protocol.generation if is_generated else Protocol.likelihood)
        if run.has(f"{run_files.PREDICTIONS}/{one.prediction_id}.jsonl"):
            answered.add(place)
        if one.score_id not in finished:
            unscored.add(place)
    return answered, answered - unscored


def _one(
    cell: Cell,
    name: str,
    settings: BenchmarkConfig,
    protocol: Protocol,
    facts: Mapping[str, Mapping[str, Any]],
    measurements: Sequence[Measurement],
    is_answered: bool,
) -> Evaluation:
    config = cell.config
    path = Path(settings.path)
    fact = facts.get(_job(settings, path).name, {}) if path.exists() else {}
    known = fact if REFUSED not in fact else {}
    items = Figure(known.get("items", settings.stated_items))
    if "items" not in known:
        items = Figure(items.value, Basis.assumed if items.value is None else Basis.stated)
    if config.eval.limit is not None:
        items = Figure(min(config.eval.limit, items.value or config.eval.limit), items.basis)
    compares = protocol is Protocol.likelihood
    tokens = Figure(0) if compares else _new_tokens(config, name, settings, known, measurements)
    judged = known.get("needs_judge", _says(settings, "NEEDS_JUDGE")) and not compares
    calls, cost = _judge(config, items, tokens) if judged else (Figure(0), 0.0)
    if schema.is_api(config.model) and not is_answered:
        calls, cost = _asked_of_server(config, items, tokens, calls, cost)
    return Evaluation(
        benchmark=name,
        key=_key(cell, name, settings, protocol),
        items=Figure(0) if is_answered else items,
        new_tokens=tokens,
        choices=compares,
        judge_calls=calls,
        judge_cost=cost,
    )


def _says(settings: BenchmarkConfig, what: str) -> bool:
    """Return what a benchmark's module says of it, for where its file is not here."""
    try:
        return bool(getattr(find_module("benchmark", settings.function), what, False))
    except ConfigError:
        return False


def _key(cell: Cell, name: str, settings: BenchmarkConfig, protocol: Protocol) -> str:
    asked = cell.config.eval
    return canonical_json(
        {
            "cell": cell.train_id,
            "benchmark": name,
            "settings": {**asdict(settings), "protocols": [protocol]},
            "limit": asked.limit,
            "suffix": asked.prompt_suffix,
            "decoding": asdict(asked.decoding),
            "judge": asdict(cell.config.judge),
        }
    )


def _new_tokens(
    config: CellConfig,
    name: str,
    settings: BenchmarkConfig,
    known: Mapping[str, Any],
    measurements: Sequence[Measurement],
) -> Figure:
    """Return the tokens of a mean answer: as so far, else a share of what is allowed."""
    most = settings.max_new_tokens or config.eval.decoding.max_new_tokens
    so_far = hours.expected_new_tokens(name, config.model.name, measurements)
    if so_far is not None:
        return Figure(min(most, so_far), Basis.stated)
    decides = known.get("decides", _says(settings, "DECIDES_EARLY"))
    if decides and settings.stops_when_decided and config.eval.decoding.beams == 1:
        return Figure(min(most, DECIDED_TOKENS), Basis.assumed)
    return Figure(most * SHARE_OF_LIMIT, Basis.assumed)


def _asked_of_server(
    config: CellConfig, items: Figure, answer: Figure, calls: Figure, cost: float | None
) -> tuple[Figure, float | None]:
    """Return the calls and their cost with those that answer, one an item."""
    count, basis = items.value, max(items.basis, calls.basis)
    if count is None or calls.value is None:
        return Figure(None, Basis.assumed), None
    own = api_base.price(
        config.model.options, count * hours.PROMPT_TOKENS, count * (answer.value or 0.0)
    )
    both = None if own is None or cost is None else own + cost
    return Figure(count + calls.value, basis), both


def _judge(config: CellConfig, items: Figure, answer: Figure) -> tuple[Figure, float | None]:
    """Return how often a judge is asked about so many answers, and what that costs.

    A judge that goes by a rule is not asked; one that runs here has no price.
    """
    try:
        judge = requests.build_judge(config)
    except (TunegridError, OSError, TypeError):
        return Figure(None, Basis.assumed), None
    if judge.ask is None:
        return Figure(0), 0.0
    calls = items.times(judge.repeats)
    options = config.judge.options
    prompt_price = options.get("price_per_million_prompt_tokens")
    price = options.get("price_per_million_new_tokens")
    if prompt_price is None or price is None or calls.value is None:
        return calls, None
    prompt = JUDGE_PROMPT_TOKENS + (answer.value or 0.0)
    new = min(JUDGE_NEW_TOKENS, options.get("max_tokens", JUDGE_NEW_TOKENS))
    return calls, calls.value * (prompt * prompt_price + new * price) / 1e6
