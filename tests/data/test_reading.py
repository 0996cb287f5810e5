"""From records to a reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.data.example import Example, Exchange
from tunegrid.data.json_records import Record
from tunegrid.data.reading import Reading, Rejection, Texts, collected, is_blank, kind, unusable
from tunegrid.data.tables import BadRow


def test_one_record_may_hold_several_examples_and_counts_once() -> None:
    rows = [
        Record(1, 1, ["a", "b"], "x"),
        Record(2, 2, [], "y"),
        Record(3, 3, BadRow("short"), "z"),
    ]
    found = collected(
        Path("d/f.json"), rows, lambda value: [Texts("q", "", one) for one in value], "form"
    )
    assert found == Reading(
        [Example("q", "", "a", "f.json", 1), Example("q", "", "b", "f.json", 1)],
        [
            Rejection(2, 2, "no exchange of question and answer", "y"),
            Rejection(3, 3, "short", "z"),
        ],
    )
    assert (found.records, found.form) == (3, "form")


def test_every_answer_of_a_conversation_must_be_a_text() -> None:
    for earlier, reason in (
        (Exchange("q", " "), "empty output"),
        (Exchange("\ud83d", "a"), "a text holds half of a surrogate pair"),
    ):
        row = Record(1, 0, {}, "x")
        found = collected(
            Path("f"), [row], lambda _, earlier=earlier: Texts("i", "", "o", (earlier,)), ""
        )
        assert [rejection.reason for rejection in found.rejected] == [reason]
        assert found.rejected[0].place == "record 1"


def test_kinds_of_values() -> None:
    assert [kind(v) for v in (None, True, 1, 1.5, {}, [], "x")] == [
        "null", "true or false", "a number", "a number", "an object", "a list", "a text",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", " \n", "\u200b", "\ufeff\u2060", "\u200d\ufe0f", "\u3164", "\x00"]
)
def test_what_nobody_can_see_is_no_answer(text: str) -> None:
    assert is_blank(text)
    assert unusable(Texts("ask", "", text)) == "empty output"
    assert unusable(Texts(text, text, "answer")) == "empty instruction and input"
    asked = Texts("ask", "", "answer", (Exchange("before", text),))
    assert unusable(asked) == "empty output"


def test_what_can_be_seen_is_an_answer() -> None:
    for text in ("0", ".", "\u200b1\u200b", "👩\u200d🚀", "。"):
        assert not is_blank(text)
        assert unusable(Texts("ask", "", text)) is None
