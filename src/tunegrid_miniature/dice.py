"""Seeded draws that give the same result under every Python version.

Only ``random.Random.random`` is promised to stay the same between Python versions, so every
other draw is built from it here; the generated texts depend on these draws byte for byte.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Dice:
    """A seeded source of draws."""

    def __init__(self, seed: int | str):
        self._random = random.Random(seed)  # noqa: S311 - texts, not secrets

    def below(self, bound: int) -> int:
        """Return an integer in ``[0, bound)``."""
        return int(self._random.random() * bound)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self._random.random() < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one item."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Return the items in random order (Fisher-Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Return ``count`` distinct items in random order."""
        return self.shuffled(items)[:count]

    def weighted(self, weights: Sequence[float]) -> int:
        """Return an index drawn in proportion to ``weights``."""
        point = self._random.random() * sum(weights)
        for index, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return index
        return len(weights) - 1
