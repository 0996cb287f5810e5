"""Several problems become one message that names each once."""

from __future__ import annotations

from tunegrid.config import errors
from tunegrid.config.errors import all_problems, by_problem


def test_one_problem_stands_behind_the_heading() -> None:
    assert all_problems("the cell cannot be run", ["seed is -1"]) == (
        "the cell cannot be run: seed is -1"
    )


def test_several_problems_are_counted_and_numbered() -> None:
    heading, *lines = all_problems("refused", ["one", "two"]).splitlines()
    assert "2 problems" in heading
    assert [line.strip() for line in lines] == ["1. one", "2. two"]


def test_a_problem_of_many_cells_is_said_once_with_their_number() -> None:
    found = [(f"seed={n}", "epochs is 0") for n in range(errors.NAMED_CELLS + 2)]
    first, second = by_problem([*found, ("seed=0", "r is 0")])
    assert first.count("epochs is 0") == 1
    assert f"in {errors.NAMED_CELLS + 2} cells: [seed=0]" in first
    assert f"[seed={errors.NAMED_CELLS - 1}] and 2 more" in first
    assert f"[seed={errors.NAMED_CELLS}]" not in first
    assert second == "[seed=0] r is 0"


def test_all_cells_are_named_where_they_are_few() -> None:
    (line,) = by_problem([("a", "x"), ("b", "x")])
    assert "[a], [b]" in line
    assert "more" not in line


def test_a_wish_to_stop_is_no_error_of_ours() -> None:
    """Whoever catches errors to note a failure must not catch it."""
    assert not issubclass(errors.Stopped, errors.TunegridError)
    assert issubclass(errors.Incomplete, errors.StageError)
