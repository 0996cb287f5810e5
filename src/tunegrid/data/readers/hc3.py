"""Reads HC3: questions with several answers of people and of ChatGPT.

Owns: which answers are read, each with its question an example. One record of all.jsonl:

    {"question": "Why …?", "human_answers": ["…", "…"], "chatgpt_answers": ["…"], "source": "…"}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.data import records
from tunegrid.data.reading import Reading, Texts, collected, is_blank, kind

ANSWERS = {"human": "human_answers", "chatgpt": "chatgpt_answers"}


def read(path: Path, *, by: str) -> Reading:
    """Return an example for each answer; empty answers among others are passed over.

    Args:
        path: JSON or JSON lines.
        by: `human` or `chatgpt`.

    Raises:
        ConfigError: `by` is something else.
        DataError: the file cannot be read.
    """
    if by not in ANSWERS:
        raise ConfigError(f"by is {by!r}; accepted: {', '.join(ANSWERS)}")
    key = ANSWERS[by]

    def texts(value: Any) -> list[Texts] | str:
        if not isinstance(value, dict):
            return "not an object"
        question, answers = value.get("question"), value.get(key)
        if not isinstance(question, str):
            return f"'question' is {kind(question)}, not a text"
        if not isinstance(answers, list) or not all(isinstance(one, str) for one in answers):
            return f"'{key}' is {kind(answers)}, not a list of texts"
        found = [Texts(question, "", one) for one in answers if not is_blank(one)]
        return found or "empty output"

    path = Path(path)
    found = records.read(path)
    return collected(path, found.rows, texts, f"{found.form}; question, each of {key}")
