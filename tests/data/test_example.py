"""What an example counts."""

from __future__ import annotations

from tunegrid.data.example import Example, Exchange


def test_a_conversation_counts_all_its_texts_and_learns_its_answers() -> None:
    one = Example("ab", "c", "def", "f", 1, (Exchange("gh", "i"),))
    assert one.texts == ("ab", "c", "def", "gh", "i")
    assert one.characters == 9
    assert one.output_characters == 4


def test_examples_of_other_earlier_turns_are_no_duplicates() -> None:
    one = Example("a", "", "b", "f", 1)
    assert one.texts != Example("a", "", "b", "f", 1, (Exchange("q", "r"),)).texts
