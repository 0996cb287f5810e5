"""The reference judge: bounds, order, short texts and what it cannot rate."""

from __future__ import annotations

import pytest

from tunegrid.config.errors import ConfigError
from tunegrid.evaluation.benchmark import Item
from tunegrid.evaluation.judges.reference import build


def rated(reference: str | None, answer: str) -> float | None:
    item = Item("belle-0001", "open_qa", "q", "instruction", reference, None)
    score = build().rate(item, answer)
    assert score.identifier == "belle-0001"
    return score.value


@pytest.mark.parametrize("text", ["四", "4", "北京", "中国目前有34个省级行政区。", "a\nb c"])
def test_the_reference_itself_gets_the_full_score(text: str) -> None:
    assert rated(text, text) == pytest.approx(1.0)
    assert rated(text, f"  {text}\n") == pytest.approx(1.0)


def test_another_text_gets_nothing() -> None:
    assert rated("四", "五") == 0.0
    assert rated("北京", "上海") == 0.0


def test_more_of_the_reference_gets_more() -> None:
    reference = "中国的首都是北京。"
    found = [
        rated(reference, answer)
        for answer in ("不知道", "北京", "首都是北京", "中国首都是北京。", reference)
    ]
    assert found == sorted(found)
    assert len(set(found)) == 5


def test_a_long_answer_around_a_short_reference_gets_less() -> None:
    exact, around = rated("四", "四"), rated("四", "答案是四，因为二加二等于四。")
    assert exact is not None
    assert around is not None
    assert 0.0 < around < exact


def test_the_order_of_characters_counts() -> None:
    assert rated("北京大学", "北京大学") != rated("北京大学", "学大京北")


def test_chrf_is_the_published_one() -> None:
    """By hand: orders 1 to 3 of "abc" in "abd" match 2/3, 1/2 and 0/1, both ways: mean 7/18."""
    assert rated("abc", "abd") == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_what_has_no_reference_is_unscored_and_an_empty_answer_is_not() -> None:
    item = Item("i", "generation", "q", "instruction", None, None)
    assert build().rate(item, "a poem").reason == "no reference"
    assert build().rate(item, "").value is None
    assert rated("四", "") == 0.0
    assert rated("四", " \n\u3000") == 0.0
    with_reference = Item("i", "math", "q", "instruction", "4", None)
    assert build().rate(with_reference, " ").reason == "empty answer"


def test_it_says_that_it_is_not_the_studys_judge() -> None:
    judge = build()
    assert judge.name == "reference-chrf"
    assert "not the study's judge" in judge.description


def test_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="accepted: chrf"):
        build(metric="bleu")
    with pytest.raises(ConfigError):
        build(character_order=0)
