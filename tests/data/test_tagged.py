"""Conversations with markers in one text, and MOSS's."""

from __future__ import annotations

from tunegrid.data.example import Exchange
from tunegrid.data.reading import Texts
from tunegrid.data.tagged import Alternating, MossChat, split, without

BAIZE = {"[|Human|]": "user", "[|AI|]": "assistant"}


def test_a_text_is_split_at_its_markers() -> None:
    text = "The conversation.\n[|Human|] 你好\n[|AI|] 您好\n[|Human|] "
    assert split(text, BAIZE) == [("user", "你好"), ("assistant", "您好"), ("user", "")]
    assert split("plain", BAIZE) == "none of the markers [|Human|], [|AI|]"


def test_a_marker_is_removed_at_the_border_alone() -> None:
    assert without("<|Human|>: a <|Human|>: b<eoh>\n", "<|Human|>:", ("<eoh>",)) == "a <|Human|>: b"


def test_moss_is_read_by_the_number_of_its_turns() -> None:
    def turn(n: int) -> dict[str, str]:
        return {
            "Human": f"<|Human|>: q{n}<eoh>\n",
            "Commands": "<|Commands|>: None<eoc>\n",
            "MOSS": f"<|MOSS|>: a{n}<eom>\n",
        }

    record = {"meta_instruction": "You are …", "chat": {f"turn_{n}": turn(n) for n in (2, 1)}}
    assert MossChat().texts(record) == Texts("q2", "", "a2", (Exchange("q1", "a1"),))
    assert MossChat().texts({"chat": {"turn_2": turn(2)}}) == "no 'turn_1' among 1 turns"
    assert MossChat().texts({"chat": "x"}) == "'chat' is a text, not an object"


def test_texts_alternate() -> None:
    assert Alternating().texts({"data": ["q", "a", "r", "b"]}) == Texts(
        "r", "", "b", (Exchange("q", "a"),)
    )
    assert Alternating().texts({"data": ["q", 3]}) == "'data' is a list, not a list of texts"
