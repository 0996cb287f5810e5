"""Finished is not fine: what makes a cell suspect."""

from __future__ import annotations

import math

import pytest

from tunegrid.cells import gates


def training(**changes: float) -> list[str]:
    report = {"first_tenth_loss": 3.0, "last_tenth_loss": 1.0, "trained_tokens": 10}
    return gates.training_reasons(report | changes)


def test_a_sound_training_has_no_reasons() -> None:
    assert training() == []
    assert training(changed_share=0.99, skipped_steps=2, steps=20) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"last_tenth_loss": 3.0}, "did not fall"),
        ({"last_tenth_loss": math.nan}, "not finite"),
        ({"trained_tokens": 0}, "no token was trained"),
        ({"changed_share": 0.04}, "96% of the trained weights are what they were"),
        ({"skipped_steps": 3, "steps": 20}, "3 of 20 steps were skipped"),
        ({"truncated": 6, "examples": 6}, "6 of 6 examples were cut at train.max_length_tokens"),
    ],
)
def test_an_unsound_training_is_said(change: dict[str, float], expected: str) -> None:
    (reason,) = training(**change)
    assert expected in reason


def test_answers() -> None:
    sound = [f"answer {number}" for number in range(20)]
    assert gates.answer_reasons(sound) == []
    assert "20 of 20 answers are 'A'" in gates.answer_reasons(["A"] * 20)[0]
    assert "5 of 20 answers are empty" in gates.answer_reasons(sound[:15] + [" "] * 5)[0]


def test_few_answers_say_nothing() -> None:
    assert gates.answer_reasons(["A"] * 9) == []


def test_unparsed_answers() -> None:
    assert gates.score_reasons(4, 20) == []
    assert gates.score_reasons(5, 20) == ["5 of 20 answers could not be read"]


def test_answers_that_never_ended() -> None:
    ends = ["eos", "stop", "decided", "eos", "length"] * 4
    assert gates.cut_reasons(ends) == []
    assert gates.cut_reasons(["length"] * 9) == []
    [reason] = gates.cut_reasons([*ends, "context"])
    assert reason == "5 of 21 answers were cut before the model ended them"


def test_replies_that_mean_something_else() -> None:
    """Five of 186 are more than 2 %, and so few that chance makes as many of 2 %."""

    def readings(differing: int, items: int) -> list[dict[str, float]]:
        return [{"rules_disagree": float(number < differing)} for number in range(items)]

    assert gates.reading_reasons(readings(5, 186)) == []
    assert gates.reading_reasons([{}] * 20) == []
    assert "9 of 186 replies mean other letters" in gates.reading_reasons(readings(9, 186))[0]
    assert gates.reading_reasons(readings(9, 9)) == []
