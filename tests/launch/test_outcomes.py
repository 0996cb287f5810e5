"""A command ends with 0 only when every cell is done."""

from __future__ import annotations

import pytest

from tunegrid.launch.outcomes import Outcome, exit_code


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], 0),
        (["done", "done"], 0),
        (["done", "failed", "interrupted"], 1),
        (["refused", "failed"], 1),
        (["done", "refused", "interrupted"], 2),
        (["done", "interrupted"], 130),
        (["done", "not started"], 130),
    ],
)
def test_the_worst_end_decides(states: list[str], code: int) -> None:
    assert exit_code([Outcome("x", state) for state in states]) == code


def test_the_first_line_of_a_reason() -> None:
    assert Outcome("x", "failed", "why\nTraceback").first_line == "why"
    assert Outcome("x", "done").first_line == ""
