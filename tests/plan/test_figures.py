"""Figures keep what they rest on, and ranges add up end to end."""

from __future__ import annotations

import pytest

from tunegrid.plan.figures import Basis, Figure, Range, total


def test_a_product_rests_on_the_weaker_of_its_factors() -> None:
    stated = Figure(10.0, Basis.stated)
    assert stated.times(2) == Figure(20.0, Basis.stated)
    assert stated.times(2, Basis.assumed) == Figure(20.0, Basis.assumed)
    assert Figure(10.0, Basis.assumed).times(2, Basis.stated).basis is Basis.assumed


def test_what_is_not_known_stays_unknown() -> None:
    assert Figure(None).times(2, Basis.stated) == Figure(None, Basis.stated)


def test_marks_tell_them_apart() -> None:
    assert [basis.mark for basis in Basis] == ["", "~", "?"]


def test_a_range_lies_around_its_middle() -> None:
    one = Range.around(12.0, 3.0)
    assert (one.low, one.middle, one.high) == (4.0, 12.0, 36.0)
    assert one.times(0.5) == Range(2.0, 6.0, 18.0)


def test_errors_of_one_calibration_do_not_cancel() -> None:
    assert total([Range(1, 2, 3), Range(10, 20, 30)]) == Range(11, 22, 33)
    assert total([]) == Range(0, 0, 0)


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_a_factor_of_one_is_no_doubt(factor: float) -> None:
    one = Range.around(8.0, factor)
    assert (one.low == one.high) is (factor == 1.0)
