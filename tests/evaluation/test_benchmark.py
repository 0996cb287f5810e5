"""Statistics of scores, and parts of a benchmark."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from tunegrid.config.errors import ConfigError
from tunegrid.evaluation.benchmark import (
    Benchmark,
    Item,
    ItemScore,
    average,
    by_identifier,
    limited,
    measurement,
)


def bench(categories: str) -> Benchmark:
    items = tuple(
        Item(f"i{n}", category, "q", "instruction", None, None)
        for n, category in enumerate(categories)
    )
    return Benchmark("b", "1", "0" * 64, items, True, "score", None, lambda items, scores: [])


def test_a_measurement_counts_what_it_rests_on() -> None:
    scores = [
        ItemScore("a", 1.0, ""),
        ItemScore("b", 0.0, ""),
        ItemScore("c", None, "no reference"),
    ]
    found = measurement("math", "score", scores)
    assert (found.value, found.items, found.unscored) == (50.0, 2, 1)
    assert found.standard_error == pytest.approx(50.0)
    none = measurement("math", "score", scores[2:])
    assert (none.value, none.items, none.unscored, none.standard_error) == (None, 0, 1, None)
    both = average("average", "score", [found, found])
    assert (both.value, both.items, both.unscored) == (50.0, 4, 2)
    assert both.standard_error == pytest.approx(50.0 / math.sqrt(2))


def test_scores_of_other_items_are_not_summed_up() -> None:
    items = bench("ab").items
    right = [ItemScore("i1", 1.0, ""), ItemScore("i0", 0.0, "")]
    assert [(i.identifier, s.value) for i, s in by_identifier(items, right)] == [
        ("i0", 0.0),
        ("i1", 1.0),
    ]
    for wrong in (right[:1], [*right, ItemScore("i2", 1.0, "")], [right[0], right[0]]):
        with pytest.raises(ValueError, match="do not belong together"):
            by_identifier(items, wrong)


def test_a_limit_keeps_shares_order_and_every_category() -> None:
    whole = bench("a" * 60 + "b" * 35 + "c" * 5)
    part = limited(whole, 20)
    assert Counter(item.category for item in part.items) == {"a": 12, "b": 7, "c": 1}
    numbers = [int(item.identifier[1:]) for item in part.items]
    assert numbers == sorted(numbers)
    assert numbers[:3] == [2, 7, 12]
    assert Counter(i.category for i in limited(whole, 3).items) == {"a": 1, "b": 1, "c": 1}
    fair = limited(bench("a" * 53 + "b" * 24 + "c" * 23), 7)
    assert Counter(item.category for item in fair.items) == {"a": 3, "b": 2, "c": 2}
    for limit in range(1, 100):
        assert len(limited(whole, limit).items) == limit
        assert len(set(limited(whole, limit).items)) == limit


def test_fewer_items_than_categories_come_from_the_largest() -> None:
    assert {item.category for item in limited(bench("abbccc"), 2).items} == {"b", "c"}


def test_interleaved_categories_stay_interleaved() -> None:
    part = limited(bench("abc" * 10), 9)
    assert Counter(item.category for item in part.items) == {"a": 3, "b": 3, "c": 3}
    assert "".join(item.category for item in part.items) == "abcabcabc"


def test_a_part_does_not_pass_for_the_whole() -> None:
    whole = bench("aabb")
    assert limited(whole, None) is whole
    assert limited(whole, 4) is whole
    assert limited(whole, 9) is whole
    assert limited(whole, 3).version != whole.version
    assert limited(whole, 3).version != limited(whole, 2).version
    with pytest.raises(ConfigError, match=r"eval\.limit is 0"):
        limited(whole, 0)
