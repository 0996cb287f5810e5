"""What a benchmark is, how a part of it is taken, and the statistics of its scores.

Owns: items, scores, measurements; means, standard errors, paired differences. Knows nothing of
models, prompts, single benchmarks or files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tunegrid.config.errors import ConfigError
from tunegrid.evaluation.statistics import macro_average, mean_and_error

INSTRUCTION = "instruction"
MULTIPLE_CHOICE = "multiple_choice"


@dataclass(frozen=True)
class Item:
    """One question of a benchmark.

    `form` is "instruction" or "multiple_choice" and chooses the prompt template; `reference` is
    the expected answer, None when there is none; `group` is a finer division than `category`.
    """

    identifier: str
    category: str
    question: str
    form: str
    reference: str | None
    group: str | None


@dataclass(frozen=True)
class ItemScore:
    """The score of one answer in 0 to 1, or None with the reason why there is none.

    A score of 0 for want of an answer has a reason too: "empty answer" or "unparsed".
    """

    identifier: str
    value: float | None
    reason: str
    readings: Mapping[str, float] = field(default_factory=dict)
    """The score by each of the benchmark's other rules, by the rule's name."""


@dataclass(frozen=True)
class Measurement:
    """One number of a benchmark.

    `value` and `standard_error` are in per cent (except for counts) and None when not known;
    `items` is how many scored items the value rests on and `unscored` how many more there are.
    """

    category: str
    metric: str
    value: float | None
    items: int
    unscored: int
    standard_error: float | None


@dataclass(frozen=True)
class Benchmark:
    """Items with their scoring rule (None when a judge is needed) and their summary.

    `sha256` is the hash of what was read; `judge_prompts` gives a judge its text by category, and
    the categories in `reference_free` are judged without reference.

    `is_decided(item, text)` says of the beginning of an answer that nothing behind it can change
    what the scoring rule reads, under the name `decision`; generation may stop there. `choices`
    gives the answers to an item that its likelihoods are compared for.
    """

    name: str
    version: str
    sha256: str
    items: tuple[Item, ...]
    needs_judge: bool
    metric: str
    score: Callable[[Item, str], ItemScore] | None
    summarize: Callable[[Sequence[Item], Sequence[ItemScore]], list[Measurement]]
    judge_prompts: Mapping[str, str] = field(default_factory=dict)
    reference_free: frozenset[str] = frozenset()
    is_decided: Callable[[Item, str], bool] | None = None
    decision: str = ""
    choices: Callable[[Item], list[str]] | None = None


def limited(benchmark: Benchmark, limit: int | None) -> Benchmark:
    """Return the benchmark with `limit` of its items, in the file's order.

    Every category keeps its share, but at least one item while `limit` allows; inside a category
    the items are evenly spaced. The version says that the benchmark is a part, so that no
    number of it passes for one of the whole. None or a limit that takes all changes nothing.

    Raises:
        ConfigError: a limit below 1.

    """
    if limit is None or limit >= len(benchmark.items):
        return benchmark
    if limit < 1:
        raise ConfigError(f"eval.limit is {limit}; give 1 or more, or null for all items")
    places: dict[str, list[int]] = {}
    for index, item in enumerate(benchmark.items):
        places.setdefault(item.category, []).append(index)
    shares = _shares([len(indices) for indices in places.values()], limit)
    chosen = [
        indices[(2 * i + 1) * len(indices) // (2 * share)]
        for indices, share in zip(places.values(), shares, strict=True)
        for i in range(share)
    ]
    items = tuple(benchmark.items[index] for index in sorted(chosen))
    return replace(benchmark, items=items, version=f"{benchmark.version}-limit{limit}")


def _shares(sizes: Sequence[int], limit: int) -> list[int]:
    """Return how many to take of each size, `limit` in all.

    One each, when that many may be taken; each further one goes to the size that is furthest
    below its proportional share (Sainte-Laguë).
    """
    taken = [0] * len(sizes)
    if limit >= len(sizes):
        taken = [1] * len(sizes)
    for _ in range(limit - sum(taken)):
        free = [i for i, size in enumerate(sizes) if taken[i] < size]
        taken[max(free, key=lambda i: sizes[i] / (2 * taken[i] + 1))] += 1
    return taken


def measurement(
    category: str, metric: str, scores: Iterable[ItemScore], factor: float = 100.0
) -> Measurement:
    """Return mean and standard error of the scored ones among `scores`, times `factor`."""
    every = list(scores)
    values = [score.value for score in every if score.value is not None]
    mean, error = mean_and_error(values)
    return Measurement(
        category,
        metric,
        None if mean is None else factor * mean,
        len(values),
        len(every) - len(values),
        None if error is None else factor * error,
    )


def average(category: str, metric: str, parts: Sequence[Measurement]) -> Measurement:
    """Return the macro average of measurements of separate categories."""
    value, error = macro_average([(part.value, part.standard_error) for part in parts])
    items, unscored = sum(part.items for part in parts), sum(part.unscored for part in parts)
    return Measurement(category, metric, value, items, unscored, error)


def by_identifier(
    items: Sequence[Item], scores: Sequence[ItemScore]
) -> list[tuple[Item, ItemScore]]:
    """Return each item with its score, in the items' order.

    Raises:
        ValueError: an item without a score, or a score without an item.

    """
    found = {score.identifier: score for score in scores}
    if len(found) != len(scores) or found.keys() != {item.identifier for item in items}:
        raise ValueError(f"{len(items)} items and {len(scores)} scores do not belong together")
    return [(item, found[item.identifier]) for item in items]
