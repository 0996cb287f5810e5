"""Means, their errors, and paired differences."""

from __future__ import annotations

import math

import pytest

from tunegrid.evaluation.statistics import macro_average, mean_and_error, paired_difference


def test_the_error_of_a_share_is_the_binomial_one() -> None:
    mean, error = mean_and_error([1.0] * 30 + [0.0] * 70)
    assert mean == pytest.approx(0.3)
    assert error == pytest.approx(math.sqrt(0.3 * 0.7 / 99))


def test_the_error_of_a_mean_is_that_of_its_sample() -> None:
    assert mean_and_error([1.0, 2.0, 3.0, 4.0]) == (2.5, pytest.approx(math.sqrt(5 / 3 / 4)))


def test_too_few_values_have_no_error() -> None:
    assert mean_and_error([]) == (None, None)
    assert mean_and_error([0.5]) == (0.5, None)
    assert mean_and_error([0.5, 0.5]) == (0.5, 0.0)


def test_the_error_of_a_macro_average_adds_independent_errors() -> None:
    assert macro_average([(0.2, 0.03), (0.6, 0.04)]) == (
        pytest.approx(0.4),
        pytest.approx(0.05 / 2),
    )
    assert macro_average([(0.2, 0.03), (0.6, None)]) == (pytest.approx(0.4), None)
    assert macro_average([(0.2, 0.03), (None, None)]) == (None, None)
    assert macro_average([]) == (None, None)


def test_differences_are_paired_on_the_common_scored_items() -> None:
    a = {"x": 1.0, "y": 0.5, "z": 0.0, "only a": 1.0, "unscored in b": 1.0}
    b = {"z": 0.0, "y": 0.0, "x": 0.0, "only b": 1.0, "unscored in b": None}
    difference, error, items = paired_difference(a, b)
    assert (difference, items) == (pytest.approx(0.5), 3)
    assert error == pytest.approx(0.5 / math.sqrt(3))
    assert paired_difference({"a": 1.0}, {"b": 1.0}) == (None, None, 0)


def test_pairing_is_sharper_than_two_separate_errors() -> None:
    a = {str(n): float(n % 2) for n in range(100)}
    b = a | {"1": 0.0}
    difference, error, _ = paired_difference(a, b)
    assert (difference, error) == (pytest.approx(0.01), pytest.approx(0.01))
