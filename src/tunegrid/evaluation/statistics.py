"""Means, their standard errors, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def mean_and_error(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the mean and its standard error: sample standard deviation / sqrt(n).

    The mean of nothing is None; so is the error of fewer than two values. Values that are all
    equal have an error of 0, which says little when they are few.
    """
    n = len(values)
    if n == 0:
        return None, None
    mean = math.fsum(values) / n
    if n == 1:
        return mean, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return mean, math.sqrt(variance / n)


def macro_average(
    parts: Sequence[tuple[float | None, float | None]],
) -> tuple[float | None, float | None]:
    """Return the mean of k independent means and its standard error, sqrt(sum of se²) / k.

    Both are None when there is no part or a part has no mean; the error alone is None when a
    part has none.
    """
    means = [mean for mean, _ in parts if mean is not None]
    if not parts or len(means) < len(parts):
        return None, None
    errors = [error for _, error in parts if error is not None]
    mean = math.fsum(means) / len(parts)
    if len(errors) < len(parts):
        return mean, None
    return mean, math.sqrt(math.fsum(error**2 for error in errors)) / len(parts)


def paired_difference(
    a: Mapping[str, float | None], b: Mapping[str, float | None]
) -> tuple[float | None, float | None, int]:
    """Return mean(a - b), its standard error and the number of items that both have scored.

    Args:
        a: value of each item by its identifier; None where it is unscored.
        b: the values to compare with, of the same items.

    """
    differences = []
    for identifier in sorted(a.keys() & b.keys()):
        first, second = a[identifier], b[identifier]
        if first is not None and second is not None:
            differences.append(first - second)
    mean, error = mean_and_error(differences)
    return mean, error, len(differences)


def wilson_interval(right: int, items: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share; it has a width also at 0 and at 1.

    Args:
        right: how many of them.
        items: at least 1.
    """
    from scipy.stats import binomtest

    found = binomtest(right, items).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)
