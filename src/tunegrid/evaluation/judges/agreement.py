"""How far two sets of ratings of the same answers agree.

Owns: the statistics. Knows nothing of where ratings come from.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STEPS = 10
"""Kappa compares ratings in steps of a tenth, which is how judges write them."""


@dataclass(frozen=True)
class Agreement:
    """Two raters on the items that both have rated; a statistic is None where it has no value."""

    items: int
    kappa: float | None
    rank_correlation: float | None
    mean_difference: float | None
    """First minus second, on the scale 0 to 1."""
    standard_error: float | None


def agreement(first: Mapping[str, float | None], second: Mapping[str, float | None]) -> Agreement:
    """Return how far two raters agree.

    Args:
        first: rating in 0 to 1 of each item by its identifier; None where there is none.
        second: the ratings to compare with.

    """
    pairs = [
        (a, b)
        for name in sorted(first.keys() & second.keys())
        if (a := first[name]) is not None and (b := second[name]) is not None
    ]
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    n = len(pairs)
    mean = math.fsum(a - b for a, b in pairs) / n if n else None
    error = None
    if mean is not None and n > 1:
        error = math.sqrt(math.fsum((a - b - mean) ** 2 for a, b in pairs) / (n - 1) / n)
    return Agreement(n, weighted_kappa(left, right), rank_correlation(left, right), mean, error)


def weighted_kappa(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Cohen's kappa with quadratic weights (Cohen 1968) over tenths.

    None when there is nothing to agree on by chance: no items, or all ratings the same.
    """
    left = [round(value * STEPS) for value in first]
    right = [round(value * STEPS) for value in second]
    n = len(left)
    if n == 0:
        return None
    observed = math.fsum((a - b) ** 2 for a, b in zip(left, right, strict=True)) / n
    by_chance = math.fsum(
        (a - b) ** 2 * count * other
        for a, count in Counter(left).items()
        for b, other in Counter(right).items()
    ) / (n * n)
    return None if by_chance == 0 else 1 - observed / by_chance


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, equal values sharing their mean rank.

    None for fewer than two items, or when one rater gave one rating throughout.
    """
    left, right = _ranks(first), _ranks(second)
    n = len(left)
    if n < 2:
        return None
    middle = (n + 1) / 2
    covariance = math.fsum((a - middle) * (b - middle) for a, b in zip(left, right, strict=True))
    spread = math.sqrt(
        math.fsum((a - middle) ** 2 for a in left) * math.fsum((b - middle) ** 2 for b in right)
    )
    return None if spread == 0 else covariance / spread


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for position in order[start:end]:
            ranks[position] = (start + 1 + end) / 2
        start = end
    return ranks
