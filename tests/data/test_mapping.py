"""Records to texts by a mapping."""

from __future__ import annotations

from typing import Any

import pytest

from tunegrid.data.example import Exchange
from tunegrid.data.mapping import Fields, Turns, conversation, field_of
from tunegrid.data.reading import Texts


def test_a_key_with_dots_names_a_field_of_a_field() -> None:
    record = {"question": {"full_text": "q"}, "a.b": "own"}
    assert field_of(record, "question.full_text") == "q"
    assert field_of(record, "a.b") == "own"
    assert Fields("question.full_text", None, "a.b").texts(record) == Texts("q", "", "own")


def test_history_comes_before_the_question() -> None:
    fields = Fields("query", None, "response", "history")
    record = {"query": "q2", "response": "a2", "history": [["q1", "a1"]]}
    assert fields.texts(record) == Texts("q2", "", "a2", (Exchange("q1", "a1"),))
    assert fields.texts(record | {"history": []}) == Texts("q2", "", "a2")
    assert fields.texts(record | {"history": ["q1"]}) == (
        "'history' holds something else than pairs of question and answer"
    )
    assert fields.texts(record | {"history": "q1"}) == "'history' is a text, not a list"


def test_a_list_of_one_text_counts_only_where_it_may() -> None:
    record = {"question": "q", "answer": ["D"]}
    assert Fields("question", None, "answer", unpacked=True).texts(record) == Texts("q", "", "D")
    assert Fields("question", None, "answer").texts(record) == "'answer' is a list, not a text"


def turns(*said: tuple[str, str]) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": text} for role, text in said]}


SHAREGPT = Turns("conversations", "from", "value")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (turns(("human", "q"), ("gpt", "a")), Texts("q", "", "a")),
        (
            turns(("human", "q"), ("gpt", "a"), ("Human", "r"), ("GPT", "b")),
            Texts("r", "", "b", (Exchange("q", "a"),)),
        ),
        (turns(("gpt", "hello"), ("human", "q"), ("gpt", "a")), Texts("q", "", "a")),
        (turns(("human", "q"), ("gpt", "a"), ("human", "unanswered")), Texts("q", "", "a")),
        (turns(("system", "s"), ("human", "q"), ("gpt", "a")), Texts("s\n\nq", "", "a")),
        (turns(("human", "q"), ("human", "r"), ("gpt", "a")),
         "two turns of the user stand in a row"),
        (turns(("human", "q"), ("gpt", " ")), "an empty turn"),
        (turns(("human", "q")), "no exchange of question and answer"),
        (turns(("human", "q"), ("tool", "t")), "a turn of 'tool', which is none of the roles"),
        ({"conversations": "text"}, "'conversations' is a text, not a list of turns"),
        ({"conversations": [{"from": "human", "value": 3}]},
         "'value' of a turn is a number, not a text"),
        ({}, "no field 'conversations'"),
    ],
)  # fmt: skip
def test_turns(record: dict[str, Any], expected: Texts | str) -> None:
    assert SHAREGPT.texts(record) == expected


def test_a_system_text_in_the_middle_is_refused() -> None:
    said = [("user", "q"), ("system", "s"), ("assistant", "a")]
    assert conversation(said) == "a system text stands elsewhere than at the beginning, or twice"
