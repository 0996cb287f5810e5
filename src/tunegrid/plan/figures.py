"""Numbers that say what they rest on, and ranges.

Owns: the marks of a plan's figures and how ranges add up. Knows nothing of cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Basis(IntEnum):
    """What a figure rests on; of several parts the highest counts."""

    exact = 0
    stated = 1
    """A size that a YAML states, or a sample."""
    assumed = 2
    """A default of this program: nothing at hand says anything about it."""

    @property
    def mark(self) -> str:
        """What stands in front of the figure in a table."""
        return ("", "~", "?")[self]


@dataclass(frozen=True)
class Figure:
    """A number, None where there is none, and what it rests on."""

    value: float | None
    basis: Basis = Basis.exact

    def times(self, factor: float, basis: Basis = Basis.exact) -> Figure:
        """Return the figure multiplied by another one."""
        value = None if self.value is None else self.value * factor
        return Figure(value, max(self.basis, basis))


@dataclass(frozen=True)
class Range:
    """A low, a middle and a high estimate of one quantity."""

    low: float
    middle: float
    high: float

    @classmethod
    def around(cls, middle: float, factor: float) -> Range:
        """Return the range from `middle / factor` to `middle * factor`."""
        return cls(middle / factor, middle, middle * factor)

    def times(self, factor: float) -> Range:
        """Return the range multiplied by a number that is not negative."""
        return Range(self.low * factor, self.middle * factor, self.high * factor)


def total(ranges: Iterable[Range]) -> Range:
    """Return the sum of ranges, ends added to ends: errors of one calibration go one way."""
    low = middle = high = 0.0
    for one in ranges:
        low, middle, high = low + one.low, middle + one.middle, high + one.high
    return Range(low, middle, high)
