"""One raw record of each format that needs a reader or options, with the example it stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.functions import check_options, find_function
from tunegrid.data.example import Exchange
from tunegrid.data.json_records import read_whole
from tunegrid.data.readers import (
    camel,
    coig,
    conversations,
    cot,
    csl,
    hc3,
    marked,
    natural_instructions,
    webgpt,
)

AB = (Exchange("a", "b"),)
TURN = {"user_marker": "[|Human|]", "assistant_marker": "[|AI|]", "text_key": "input"}
BELLE = {
    "user_marker": "Human:", "assistant_marker": "Assistant:",
    "text_key": "instruction", "answer_key": "output",
}  # fmt: skip
HH = {"user_marker": "\n\nHuman:", "assistant_marker": "\n\nAssistant:", "text_key": "chosen"}
OIG = {"user_marker": "<human>:", "assistant_marker": "<bot>:"}
MOSS_002 = {
    "user_marker": "[Human]:", "assistant_marker": "[MOSS]:", "text_key": "plain_text",
    "removed": ["<eoh>", "<eoa>"],
}  # fmt: skip
EXAM = {
    "subject": "s", "textbox_q_instruction": "i", "textbox_q_context": "c", "textbox_question": "q",
    "textbox_answer": "C", "textbox_answer_analysis": "because",
}  # fmt: skip

# reader, its options, a raw record, and the texts of its examples: instruction, input, output,
# earlier exchanges; or why it has none.
RECORDS: list[tuple[Any, dict[str, Any], Any, list[tuple[Any, ...]] | str]] = [
    (
        marked.read,
        TURN,
        {"topic": "t", "input": "Talk.\n[|Human|] a\n[|AI|] b\n[|Human|] "},
        [("a", "", "b", ())],
    ),
    (
        marked.read,
        BELLE,
        {"instruction": "Human:a\nAssistant:b\nHuman:c\nAssistant:", "input": "", "output": "d"},
        [("c", "", "d", AB)],
    ),
    (
        marked.read,
        BELLE,
        {"instruction": "Human:a\nAssistant:b", "output": "d"},
        "'instruction' does not end with 'Assistant:'",
    ),
    (
        marked.read,
        HH,
        {"chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d", "rejected": "x"},
        [("c", "", "d", AB)],
    ),
    (marked.read, OIG, {"text": "<human>: a\n<bot>: b", "metadata": {}}, [("a", "", "b", ())]),
    (marked.read, OIG, {"text": "nobody speaks"}, "none of the markers <human>:, <bot>:"),
    (
        marked.read,
        MOSS_002,
        {
            "prefix": "meta",
            "plain_text": "meta [Human]: a<eoh> [MOSS]: b<eoa> [Human]: c<eoh> [MOSS]: d<eoa>",
        },
        [("c", "", "d", AB)],
    ),
    (
        conversations.read,
        {
            "turns_key": "talk",
            "role_key": "who",
            "text_key": "said",
            "user_roles": ["Patient"],
            "assistant_roles": ["Doctor"],
        },
        {"talk": [{"who": "Patient", "said": "a"}, {"who": "doctor", "said": "b"}]},
        [("a", "", "b", ())],
    ),
    (
        hc3.read,
        {"by": "human"},
        {"question": "q", "human_answers": ["a", "", "b"], "chatgpt_answers": ["c"]},
        [("q", "", "a", ()), ("q", "", "b", ())],
    ),
    (
        hc3.read,
        {"by": "chatgpt"},
        {"question": "q", "human_answers": ["a"], "chatgpt_answers": []},
        "empty output",
    ),
    (coig.exam, {}, EXAM, [("i", "c\nq", "because", ())]),
    (
        coig.exam,
        {},
        EXAM | {"textbox_answer_analysis": "", "textbox_q_context": ""},
        [("i", "q", "C", ())],
    ),
    (
        coig.talk,
        {},
        {
            "instruction": "i",
            "round_0": {"response": '{"Q": "a", "A": "b"}'},
            "round_1": {"response": "{broken"},
            "round_2": {"response": '{"Q": "c", "A": "d"}'},
        },
        [("c", "", "d", AB)],
    ),
    (
        camel.read,
        {},
        {
            "role_1": "r",
            "message_1": {"role_type": "USER", "content": "a"},
            "message_2": {"role_type": "ASSISTANT", "content": "b"},
            "termination_reason": "x",
        },
        [("a", "", "b", ())],
    ),
    (
        webgpt.read,
        {},
        {
            "question": {"full_text": "q"},
            "answer_0": "a",
            "answer_1": "b",
            "score_0": -1.0,
            "score_1": 1.0,
        },
        [("q", "", "b", ())],
    ),
    (
        webgpt.read,
        {},
        {"question": {"full_text": "q"}, "score_0": 0.0, "score_1": 0.0},
        "two answers of equal score",
    ),
    (
        csl.linly,
        {},
        {"instruction": "", "input": "翻译成英文：好", "output": "good"},
        [("翻译成英文：好", "", "good", ())],
    ),
    (csl.linly, {}, {"instruction": "i", "input": "n", "output": "o"}, [("i", "n", "o", ())]),
    (
        cot.auto,
        {},
        {"question": "q", "rationale": "r", "pred_ans": "7", "gold_ans": "7"},
        [("q", "", "r\nThe answer is 7.", ())],
    ),
]


@pytest.mark.parametrize(("reader", "options", "record", "expected"), RECORDS)
def test_a_raw_record_gives_its_example(
    tmp_path: Path,
    reader: Any,
    options: dict[str, Any],
    record: Any,
    expected: list[tuple[Any, ...]] | str,
) -> None:
    path = tmp_path / "raw.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    found = reader(path, **options)
    if isinstance(expected, str):
        assert [rejection.reason for rejection in found.rejected] == [expected]
        assert found.examples == []
        return
    assert [(e.instruction, e.input, e.output, e.earlier) for e in found.examples] == expected
    assert {(e.source, e.position) for e in found.examples} == {("raw.json", 1)}
    assert found.rejected == []
    name = f"{reader.__module__.rpartition('.')[2]}.{reader.__name__}"
    assert find_function("collection", name) is reader
    assert check_options("collection", name, options, ["path"]) == []


def test_a_task_of_natural_instructions(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    instances = [{"id": "1", "input": "x", "output": ["y", "z"]}, {"input": "x", "output": [3]}]
    path.write_text(json.dumps({"Definition": ["Do.", "Now."], "Instances": instances}), "utf-8")
    found = natural_instructions.read(path)
    assert [(e.instruction, e.input, e.output) for e in found.examples] == [("Do.\nNow.", "x", "y")]
    assert [r.reason for r in found.rejected] == ["'output' is a number, not a text"]
    path.write_text('{"Definition": ["Do."]}', encoding="utf-8")
    with pytest.raises(DataError, match="no task of Natural Instructions"):
        natural_instructions.read(path)
    path.write_text("{} {}", encoding="utf-8")
    with pytest.raises(DataError, match="more text follows"):
        read_whole(path)


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two different texts"):
        marked.read(tmp_path / "x", user_marker="a", assistant_marker="a")
    with pytest.raises(ConfigError, match="accepted: human, chatgpt"):
        hc3.read(tmp_path / "x", by="people")
