"""How far two sets of ratings of the same answers agree.

Owns: which statistics are told, and where they have no value; they are scikit-learn's and SciPy's.
Knows nothing of where ratings come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunegrid.evaluation.statistics import mean_and_error

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
    mean, error = mean_and_error([a - b for a, b in pairs])
    return Agreement(
        len(pairs), weighted_kappa(left, right), rank_correlation(left, right), mean, error
    )


def weighted_kappa(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Cohen's kappa with quadratic weights (Cohen 1968) over tenths.

    None when there is nothing to agree on by chance: no items, or all ratings the same.
    """
    from sklearn.metrics import cohen_kappa_score

    left = [round(value * STEPS) for value in first]
    right = [round(value * STEPS) for value in second]
    # The library gives NaN here, and warns.
    if len({*left, *right}) < 2:
        return None
    return float(cohen_kappa_score(left, right, labels=range(STEPS + 1), weights="quadratic"))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, equal values sharing their mean rank.

    None for fewer than two items, or when one rater gave one rating throughout.
    """
    from scipy.stats import spearmanr

    if min(len(set(first)), len(set(second))) < 2:
        return None
    return float(spearmanr(first, second).statistic)
