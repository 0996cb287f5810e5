r"""Reads the parts of COIG that no mapping can say: exams, and talks about a graph of knowledge.

Owns: these two. As in BAAI's own loader, an exam's output is its analysis, or the answer where
there is none. One record of exam_instructions.jsonl and one file of the talks:

    {"textbox_q_instruction": "请回答下面的问题", "textbox_q_context": "", "textbox_question": "…",
     "textbox_answer": "C", "textbox_answer_analysis": "…"}
    {"instruction": "…", "round_0": {"response": "{\"Q\": \"…\", \"A\": \"…\"}"}, …}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunegrid.data import records
from tunegrid.data.mapping import conversation
from tunegrid.data.reading import Reading, Texts, collected, is_blank, kind

_EXAM = ("q_instruction", "q_context", "question", "answer", "answer_analysis")


def exam(path: Path) -> Reading:
    """Return the examples of a file of exams, or of human values in the same form.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    found = records.read(path)
    return collected(path, found.rows, _exam_texts, f"{found.form}; COIG's fields of exams")


def talk(path: Path) -> Reading:
    """Return the conversations of a file of talks; rounds that are no JSON are passed over.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    found = records.read(path)
    return collected(path, found.rows, _talk_texts, f"{found.form}; COIG's rounds, Q and A of each")


def _exam_texts(value: Any) -> Texts | str:
    if not isinstance(value, dict):
        return "not an object"
    for name in _EXAM:
        if not isinstance(value.get(f"textbox_{name}"), str):
            return f"'textbox_{name}' is {kind(value.get(f'textbox_{name}'))}, not a text"
    instruction, context, question, answer, analysis = (value[f"textbox_{name}"] for name in _EXAM)
    asked = f"{context}\n{question}" if context.strip() else question
    return Texts(instruction, asked, answer if is_blank(analysis) else analysis)


def _talk_texts(value: Any) -> Texts | str:
    if not isinstance(value, dict):
        return "not an object"
    said = []
    for number in range(len(value)):
        turn = value.get(f"round_{number}")
        pair = _round(turn.get("response")) if isinstance(turn, dict) else None
        if pair is not None:
            said += [("user", pair[0]), ("assistant", pair[1])]
    return conversation(said)


def _round(text: Any) -> tuple[str, str] | None:
    """Return question and answer of a round; None where a model wrote no such JSON."""
    try:
        pair = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(pair, dict):
        return None
    question, answer = pair.get("Q"), pair.get("A")
    if (
        isinstance(question, str)
        and isinstance(answer, str)
        and question.strip()
        and answer.strip()
    ):
        return question, answer
    return None
