"""Which sentences of a judge are about the answer at hand."""

from __future__ import annotations

import time

import pytest

from tunegrid.evaluation.judges.statements import is_general, with_shares, without_thoughts


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("<think>1</think>2", "2"),
        ("1</think>2", "2"),
        ("0<think>1", "0"),
        ("0<Thinking>1<think>1</Thinking>2", "0 2"),
        ("<think>1</think>2<think>3</think>4", "2 4"),
        ("a < b and c > d", "a < b and c > d"),
    ],
)
def test_thoughts_go_and_the_rest_stays(reply: str, kept: str) -> None:
    assert " ".join(without_thoughts(reply).split()) == kept


def test_points_of_points_become_a_share() -> None:
    assert with_shares("得分:1 分中的 0.3 分") == "得分: 0.3/1 分"
    assert with_shares("得分:1分。其中的 3 处") == "得分:1分。其中的 3 处"


@pytest.mark.parametrize(
    ("before", "keyword", "general"),
    [
        ("完全正确的回答", "得", True),
        ("该回答完全正确,", "得", False),
        ("该回答", "得", False),
        ("语言流畅的译文,可以", "得", True),
        ("好的回答得1分。因此,模型", "得", False),
        ("要", "得到", True),
        ("我会", "给", False),
        ("A perfect answer ", "scores ", True),
        ("This answer ", "scores ", False),
        ("", "Give ", True),
        ("", "得分:", False),
    ],
)
def test_a_kind_of_answer_is_not_the_answer(before: str, keyword: str, general: bool) -> None:
    text = f"{before}{keyword}1分"
    assert is_general(text, len(before), len(before + keyword)) is general


@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "< ", "满分 为 ", "一个好的回答", "to get "]
)
def test_long_replies_take_no_quadratic_time(piece: str) -> None:
    text = piece * 50_000
    began = time.process_time()
    with_shares(without_thoughts(text))
    is_general(text, len(text) - 1, len(text))
    assert time.process_time() - began < 5
