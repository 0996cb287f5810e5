"""A benchmark's answers put before a judge that is asked: which, in what order, with what kept.

Owns: what is asked again, the file of replies, and when a scoring is incomplete. Every reply is
written before the next one is looked at, so that an interrupted scoring loses none and asks none
twice. Knows nothing of servers, and of a benchmark only its items and judge prompts.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tunegrid.config.errors import ConfigError, Stopped
from tunegrid.evaluation.benchmark import Benchmark, Item, ItemScore
from tunegrid.evaluation.judges.judge import Judge, Reply, Request, Spent, request
from tunegrid.evaluation.judges.parsing import parse
from tunegrid.evaluation.statistics import mean_and_error
from tunegrid.store.run_directory import RunDirectory

REPLIES = "replies"
EMPTY_ANSWER = "empty answer"
UNPARSED = "unparsed"


@dataclass(frozen=True)
class Rated:
    """The scores of all items, and what keeps them from being complete."""

    scores: list[ItemScore]
    repeats: dict[str, list[float | None]]
    """The single ratings of each item, by identifier; only where there are several."""
    problems: dict[str, int]
    """Reasons why items have no score, with their counts."""
    is_incomplete: bool


@dataclass
class _Replies:
    """The replies of one judge in one run directory, by key."""

    run: RunDirectory
    name: str
    found: dict[str, Reply] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0

    def read(self) -> None:
        """Read what earlier runs have written."""
        for record in self.run.read_lines(self.name):
            self._take(record["key"], Reply(**record["reply"]))

    def keep(self, one: Request, reply: Reply) -> None:
        """Write a reply, also one that failed: its calls count."""
        self._take(one.key, reply)
        record = {"key": one.key, "identifier": one.identifier, "repeat": one.repeat,
                  "attempt": one.attempt, "reply": asdict(reply)}  # fmt: skip
        if reply.calls or reply.text is not None:
            self.run.append_line(self.name, record)

    def _take(self, key: str, reply: Reply) -> None:
        self.found[key] = reply
        self.calls += reply.calls
        self.tokens += reply.prompt_tokens + reply.new_tokens

    def answered(self, one: Request) -> bool:
        """Return whether the judge has answered this request, with whatever text."""
        known = self.found.get(one.key)
        return known is not None and known.text is not None


def rate(
    run: RunDirectory,
    benchmark: Benchmark,
    answers: Sequence[str],
    judge: Judge,
    identity: Mapping[str, Any],
    should_stop: Callable[[], bool],
) -> Rated:
    """Return the judge's scores of the answers, in the items' order.

    An empty answer scores 0 and is put before no judge.

    Args:
        run: where replies are kept, under replies/.
        benchmark: its items and judge prompts.
        answers: one per item.
        judge: with `ask`.
        identity: all that names the judge and its parameters.
        should_stop: whether to end.

    Raises:
        ConfigError: the benchmark has no judge prompts.
        Stopped: `should_stop` became true; what was replied is kept.
    """
    missing = sorted({item.category for item in benchmark.items} - benchmark.judge_prompts.keys())
    if missing:
        raise ConfigError(
            f"the judge {judge.name} needs a prompt for {', '.join(missing)} of {benchmark.name}; "
            f"give eval.benchmarks.{benchmark.name}.options.judge_prompts=<file>, such as "
            "eval_prompt.json of the BELLE project"
        )
    replies = _Replies(run, f"{REPLIES}/{judge.name.replace('/', '_')}.jsonl")
    replies.read()
    pairs = [
        (item, answer)
        for item, answer in zip(benchmark.items, answers, strict=True)
        if answer.strip()
    ]
    last: dict[tuple[str, int], Request] = {}
    for attempt in range(judge.attempts):
        requests = [
            request(
                judge=identity, item=item, answer=answer,
                rubric=benchmark.judge_prompts[item.category],
                with_reference=item.category not in benchmark.reference_free,
                repeat=repeat, attempt=attempt,
            )
            for item, answer in pairs
            for repeat in range(judge.repeats)
            if attempt == 0 or _is_unparsed(replies, last[item.identifier, repeat])
        ]  # fmt: skip
        last |= {(one.identifier, one.repeat): one for one in requests}
        _ask(judge, requests, replies, should_stop)
    return _rated(benchmark, answers, judge, replies, last)


def _is_unparsed(replies: _Replies, one: Request) -> bool:
    return replies.answered(one) and _score(replies.found[one.key])[0] is None


def _score(reply: Reply) -> tuple[float | None, str]:
    """Return the score in a reply, or None and the reason."""
    if reply.text is None:
        return None, reply.problem
    if reply.problem:
        return None, f"{UNPARSED}: {reply.problem}"
    found = parse(reply.text)
    return found.score, "" if found.score is not None else f"{UNPARSED}: {found.reason}"


def _ask(
    judge: Judge,
    requests: Sequence[Request],
    replies: _Replies,
    should_stop: Callable[[], bool],
) -> None:
    """Ask what has no reply yet; the same text is asked once, whoever gave that answer."""
    waiting = {one.key: one for one in requests if not replies.answered(one)}
    if not waiting:
        return
    asked = list(waiting.values())
    if judge.estimate is not None:
        print(f"{judge.name}: {judge.estimate(asked)}", file=sys.stderr, flush=True)
    if judge.ask is None:
        raise ValueError(f"the judge {judge.name} cannot be asked")
    judge.ask(asked, replies.keep, should_stop, Spent(replies.calls, replies.tokens))
    if should_stop():
        raise Stopped


def _rated(
    benchmark: Benchmark,
    answers: Sequence[str],
    judge: Judge,
    replies: _Replies,
    last: Mapping[tuple[str, int], Request],
) -> Rated:
    scores: list[ItemScore] = []
    repeats: dict[str, list[float | None]] = {}
    problems: Counter[str] = Counter()
    unparsed = failed = 0
    for item, answer in zip(benchmark.items, answers, strict=True):
        if not answer.strip():
            scores.append(ItemScore(item.identifier, 0.0, EMPTY_ANSWER))
            continue
        ratings = _ratings(item, judge, replies, last)
        values = [value for value, _ in ratings if value is not None]
        if judge.repeats > 1:
            repeats[item.identifier] = [value for value, _ in ratings]
        if len(values) == len(ratings):
            mean, _ = mean_and_error(values)
            scores.append(ItemScore(item.identifier, mean, ""))
            continue
        reason = next(reason for value, reason in ratings if value is None)
        unparsed += reason.startswith(UNPARSED)
        failed += not reason.startswith(UNPARSED)
        problems[reason] += 1
        scores.append(ItemScore(item.identifier, None, reason))
    too_many = unparsed > judge.max_unparsed_share * len(answers)
    return Rated(scores, repeats, dict(problems.most_common()), failed > 0 or too_many)


def _ratings(
    item: Item, judge: Judge, replies: _Replies, last: Mapping[tuple[str, int], Request]
) -> list[tuple[float | None, str]]:
    found = []
    for repeat in range(judge.repeats):
        reply = replies.found.get(last[item.identifier, repeat].key)
        found.append((None, "not asked") if reply is None else _score(reply))
    return found
