"""The five collections as committed: shape, forms and sizes."""

import json
import re
from pathlib import Path

import pytest

NAMES = ("mini_chinese", "mini_cot", "mini_dialogue", "mini_english", "mini_exam")
EXAM = re.compile(
    r"请阅读以下选择题并给出正确选项，不要解释原因。\n[^\n]+\nA:[^\n]+\nB:[^\n]+\nC:[^\n]+\nD:[^\n]+\n正确答案的序号是："
)


def load(assets: Path, name: str) -> list[dict[str, str]]:
    return json.loads((assets / "collections" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_records_have_three_texts(assets: Path, name: str) -> None:
    records = load(assets, name)
    assert 100 <= len(records) <= 600
    for record in records:
        assert list(record) == ["instruction", "input", "output"]
        assert all(isinstance(value, str) for value in record.values())
        assert record["instruction"]
        assert record["output"]
    asked = [(record["instruction"], record["input"]) for record in records]
    assert len(set(asked)) == len(asked)


def test_folder_holds_these_five(assets: Path) -> None:
    assert sorted(p.stem for p in (assets / "collections").iterdir()) == sorted(NAMES)


def test_exam_records_have_the_exact_wording_and_balanced_letters(assets: Path) -> None:
    records = load(assets, "mini_exam")
    for record in records:
        assert EXAM.fullmatch(record["instruction"]), record
        assert re.fullmatch("A?B?C?D?", record["output"])
        assert record["input"] == ""
    single = [record["output"] for record in records if len(record["output"]) == 1]
    assert all(0.18 < single.count(letter) / len(single) < 0.32 for letter in "ABCD")
    assert len(single) < len(records)


def test_dialogues_end_with_the_assistants_turn(assets: Path) -> None:
    for record in load(assets, "mini_dialogue"):
        lines = record["instruction"].split("\n")
        assert lines[-1] == "Assistant:"
        assert len(lines) in (4, 6)
        assert all(line.startswith("Human: ") for line in lines[::2])
        assert all(line.startswith("Assistant:") for line in lines[1::2])


def test_chain_of_thought_reasons_before_it_answers(assets: Path) -> None:
    for record in load(assets, "mini_cot"):
        reasoning, answer = re.split("所以答案是|So the answer is ", record["output"])
        assert len(reasoning) > 5
        assert answer.rstrip("。.") in reasoning


def test_some_records_have_an_input_in_both_languages(assets: Path) -> None:
    for name in ("mini_chinese", "mini_english"):
        given = [record for record in load(assets, name) if record["input"]]
        assert len(given) > 30
