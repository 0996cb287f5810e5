"""Prompts: the texts of the two languages byte for byte, and data that is never interpreted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from tunegrid.config.project import project_directory
from tunegrid.config.schema import PromptConfig
from tunegrid.data import prompts
from tunegrid.data.example import Example, Exchange

CONF = project_directory() / "conf" / "prompt"

ENGLISH_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\nTranslate.\n\n### Input:\n你好\n\n### Response:"
)
ENGLISH_WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately "
    "completes the request.\n\n### Instruction:\nTranslate.\n\n### Response:"
)
ENGLISH_CHOICE = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n请阅读以下选择题并给出正确选项，不要解释原因。\n题目\nA:家庭\nB:大学\n"
    "正确答案的序号是：\n\n### Response:"
)
CHINESE_WITH_INPUT = (
    "以下是一条描述任务的指令，并附有提供更多背景的输入。请写出恰当完成该请求的回答。\n\n"
    "### 指令:\nTranslate.\n\n### 输入:\n你好\n\n### 回答:"
)
CHINESE_WITHOUT_INPUT = (
    "以下是一条描述任务的指令。请写出恰当完成该请求的回答。\n\n### 指令:\nTranslate.\n\n### 回答:"
)
CHINESE_CHOICE = (
    "以下是一条描述任务的指令，并附有提供更多背景的输入。请写出恰当完成该请求的回答。\n\n"
    "### 指令:\n请阅读以下选择题并给出正确选项，不要解释原因。\n题目\nA:家庭\nB:大学\n"
    "正确答案的序号是：\n\n### 回答:"
)
QUESTION = (
    "请阅读以下选择题并给出正确选项，不要解释原因。\n题目\nA:家庭\nB:大学\n正确答案的序号是："
)


def load(name: str) -> PromptConfig:
    return PromptConfig(**yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("name", "with_input", "without_input", "choice"),
    [
        ("english", ENGLISH_WITH_INPUT, ENGLISH_WITHOUT_INPUT, ENGLISH_CHOICE),
        ("chinese", CHINESE_WITH_INPUT, CHINESE_WITHOUT_INPUT, CHINESE_CHOICE),
    ],
)
def test_the_prompts_byte_for_byte(
    name: str, with_input: str, without_input: str, choice: str
) -> None:
    prompt = load(name)
    assert prompt.name == name
    assert prompts.render(prompt, "Translate.", "你好") == with_input
    assert prompts.render(prompt, "Translate.") == without_input
    assert prompts.render_choice(prompt, QUESTION) == choice
    assert prompts.answer_text(prompt, " 答案\n") == "  答案\n"


def test_the_prompts_are_here() -> None:
    assert {"english", "chinese"} <= {path.stem for path in CONF.glob("*.yaml")}


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_prompt_of_the_project_can_be_used(path: Path) -> None:
    prompt = load(path.stem)
    assert prompt.name == path.stem
    assert prompts.problems(prompt) == []
    assert prompt.stop in prompts.render(prompt, "i")


@pytest.mark.parametrize(
    "text",
    [
        "{input}",
        "{instruction}",
        "{{instruction}}",
        "{0} {} {unknown} %s ${x}",
        "\\1 \\g<0> \\n",
        "def f(): return {'a': {1}}",
    ],
)
def test_what_the_data_says_is_never_interpreted(text: str) -> None:
    prompt = load("english")
    rendered = prompts.render(prompt, f"<{text}>", f"[{text}]")
    assert rendered == ENGLISH_WITH_INPUT.replace("Translate.", f"<{text}>").replace(
        "你好", f"[{text}]"
    )
    assert text in prompts.render(prompt, text)
    assert text in prompts.render_choice(prompt, text)


def test_only_an_absent_input_takes_the_form_without() -> None:
    prompt = load("english")
    assert "### Input:\n0\n" in prompts.render(prompt, "i", "0")
    assert "### Input:\n \n" in prompts.render(prompt, "i", " ")
    assert "### Input:" not in prompts.render(prompt, "i", "")


def test_the_evaluation_prompt_begins_the_training_text() -> None:
    prompt = load("chinese")
    training = prompts.render(prompt, "i") + prompts.answer_text(prompt, "o")
    assert training == prompts.render(prompt, "i") + " o"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" 北京。", "北京。"),
        (" 北京。\n\n### Instruction:\nmore", "北京。"),
        ("a ## b\n# c", "a ## b\n# c"),
        ("### Response: late", ""),
        ("  \n", ""),
        ("a###b###c", "a"),
    ],
)
def test_an_answer_is_cut_at_the_first_stop(text: str, answer: str) -> None:
    assert prompts.cut_answer(load("english"), text) == answer


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"with_input": "{instruction}"}, ["with_input lacks {input}"]),
        ({"with_input": "{input}"}, ["with_input lacks {instruction}"]),
        ({"with_input": "{Instruction} {input}"}, ["lacks {instruction}", "unknown {Instruction}"]),
        ({"without_input": "{instruction} {input}"}, ["without_input has {input}"]),
        ({"without_input": "nothing"}, ["without_input lacks {instruction}"]),
        ({"multiple_choice": "{question}"}, ["lacks {instruction}", "unknown {question}"]),
        ({"multiple_choice": "{instruction}{input}"}, ["multiple_choice has {input}"]),
        ({"stop": ""}, ["stop is empty"]),
    ],
)
def test_what_is_wrong_with_a_prompt_is_said(change: dict[str, str], parts: list[str]) -> None:
    found = prompts.problems(dataclasses.replace(load("english"), **change))
    assert len(found) == len(parts)
    for problem, part in zip(found, parts, strict=True):
        assert part in problem


def test_braces_that_are_no_field_are_text() -> None:
    prompt = dataclasses.replace(
        load("english"),
        without_input='{"a": 1} {instruction} {}',
        multiple_choice="{{instruction}}",
    )
    assert prompts.problems(prompt) == []
    assert prompts.render(prompt, "i") == '{"a": 1} i {}'
    assert prompts.render_choice(prompt, "q") == "{q}"


def test_each_question_of_a_conversation_is_rendered_as_one_alone():
    prompt = PromptConfig(with_input="{instruction}|{input}:", without_input="{instruction}:")
    example = Example("r", "n", "b", "f", 1, (Exchange("q {input}", "a"),))
    assert prompts.training_texts(prompt, example) == ("q {input}:", " a", "r|n:", " b")
