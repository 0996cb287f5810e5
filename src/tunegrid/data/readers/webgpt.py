"""Reads WebGPT's comparisons: of two answers to a question the better one.

Owns: which answer is taken. Equal scores say nothing, and such a record is left out. One record:

    {"question": {"full_text": "Why …?"}, "answer_0": "…", "answer_1": "…", "score_0": -1.0, …}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunegrid.data import records
from tunegrid.data.mapping import Fields, field_of
from tunegrid.data.reading import Reading, Texts, collected


def read(path: Path) -> Reading:
    """Return an example for each question whose answers have different scores.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    found = records.read(path)
    return collected(path, found.rows, _texts, f"{found.form}; question, the answer rated higher")


def _texts(value: Any) -> Texts | str:
    if not isinstance(value, dict):
        return "not an object"
    scores = [field_of(value, f"score_{number}") for number in (0, 1)]
    if not all(isinstance(score, int | float) for score in scores):
        return "no two scores"
    if scores[0] == scores[1]:
        return "two answers of equal score"
    better = 0 if scores[0] > scores[1] else 1
    return Fields("question.full_text", None, f"answer_{better}").texts(value)
