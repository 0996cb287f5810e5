"""What a judge is.

Owns: the form of a judge. Knows nothing of single judges, benchmarks or models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tunegrid.benchmarks.benchmark import Item, ItemScore


@dataclass(frozen=True)
class Judge:
    """Rates one answer to one item: `rate(item, answer)` is in 0 to 1, or None with a reason."""

    name: str
    description: str
    rate: Callable[[Item, str], ItemScore]
