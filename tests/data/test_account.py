"""The lines about what was read and left out."""

from __future__ import annotations

from typing import Any

from tunegrid.data.account import left_out, lines


def entry(name: str = "belle", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "files": [{"recognised": "JSON array; instruction, input, output"}],
        "read": 1_079_517,
        "rejected": 0,
        "rejected_reasons": {},
        "too_long": 0,
    } | changes


def test_losses_are_one_line_a_collection() -> None:
    lost = entry(rejected=2, rejected_reasons={"empty output": 2}, prompt_too_long=1)
    assert left_out(lost, None, 512) == (
        "left out of belle: 3 of 1,079,517 (2 empty outputs, 1 prompt over 512 tokens); "
        "see data.json"
    )
    reasons = {"empty output": 1, "'output' is a number, not a text": 4, "an empty turn": 3}
    lost = entry(rejected=8, rejected_reasons=reasons, too_long=7)
    assert left_out(lost, 4000, 512) == (
        "left out of belle: 15 of 1,079,517 (1 empty output, 4 where 'output' is a number, not a "
        "text, 3 with an empty turn, 7 over 4,000 characters); see data.json"
    )
    assert left_out(entry(), None, 512) is None


def test_what_was_recognised_is_one_line_a_form() -> None:
    table = entry("csl", files=[{"recognised": "TSV of CSL; prompt, text, target"}] * 2)
    manifest = {"collections": [entry("a"), table, entry("b")], "max_characters": None}
    assert lines(manifest, 512) == [
        "read as JSON array; instruction, input, output: a, b",
        "read as TSV of CSL; prompt, text, target: csl",
    ]


def test_examples_that_lose_their_end_are_said() -> None:
    manifest = {
        "collections": [],
        "max_characters": None,
        "train_tokens": {"truncated": 6, "examples": 1200},
    }
    assert lines(manifest, 512) == [
        "cut at 512 tokens: 6 of 1,200 examples, which lose their end; a larger "
        "train.max_length_tokens keeps it"
    ]
