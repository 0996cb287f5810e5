"""Which letters a reply means, on replies of our own writing and by properties."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tunegrid.evaluation.benchmarks.mmcu.letters import extract
from tunegrid.evaluation.benchmarks.mmcu.meaning import is_final, meant, read_part

REPLIES = Path(__file__).with_name("replies")


def cases(name: str) -> list[dict[str, str | None]]:
    lines = (REPLIES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


WRITTEN = cases("while_writing")
MISREAD = {"以上都是", "答案为B或C", "可能是A或B", "选A还是选B？"}
"""Of the replies that were written when the rule was finished."""


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: case["reply"][:20])
def test_a_reply_means_what_a_person_reads(case: dict[str, str | None]) -> None:
    assert meant(str(case["reply"]), str(case["letters"])) == case["meant"]


def test_replies_written_when_the_rule_was_finished() -> None:
    """What it gets wrong is named; a change of the rule shows here."""
    held_out = cases("held_out")
    assert len(held_out) == 82
    assert len({case["reply"] for case in [*held_out, *WRITTEN]}) >= 150
    wrong = {
        case["reply"]
        for case in held_out
        if meant(str(case["reply"]), str(case["letters"])) != case["meant"]
    }
    assert wrong == MISREAD
    # The study's rule, for comparison: the first run of capital letters.
    assert sum(extract(str(case["reply"])) != case["meant"] for case in held_out) == 36


def test_letters_beyond_the_options_are_words() -> None:
    assert meant("E", "ABCD") is None
    assert meant("E", "ABCDE") == "E"
    assert meant("答案：BE", "ABCDE") == "BE"


def test_only_so_much_behind_the_first_letter_is_read() -> None:
    reply = "选项Ａ不对" + "，" * 30 + "应选B"
    assert meant(read_part(reply, "ABCD", None), "ABCD") == "B"
    assert read_part(reply, "ABCD", 2) == "选项Ａ不对"
    assert read_part("无", "ABCD", 2) == "无"


def test_what_is_final_stays_whatever_follows() -> None:
    """The property that lets generation end early, on replies put together at random."""
    draw = random.Random(0)  # noqa: S311
    pieces = [
        "A",
        "B",
        "Ｃ",
        "d",
        "\n",
        "。",
        "、",
        " ",
        "答案是",
        "选",
        "不对",
        "正确",
        "AI",
        "或",
        "1",
        ":",
    ]
    finals = 0
    for _ in range(20_000):
        behind = draw.choice([None, 3, 8])
        begun = "".join(draw.choices(pieces, k=draw.randint(1, 8)))
        if not is_final(begun, "ABCD", behind):
            continue
        finals += 1
        whole = begun + "".join(draw.choices(pieces, k=draw.randint(1, 8)))
        first, second = (meant(read_part(text, "ABCD", behind), "ABCD") for text in (begun, whole))
        assert first == second, (begun, whole, behind)
    assert finals > 2_000
