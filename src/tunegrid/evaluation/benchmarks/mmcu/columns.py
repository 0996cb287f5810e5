r"""What the columns of a workbook are, by their headers.

Owns: the names that a header may have. Knows nothing of files, questions or scores. One header:

    | 序号 | 题目 | D | C | B | A | 正确答案 |

The authors' scripts go by place: there this sheet asks "1", with the question as option A.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from tunegrid.config.errors import DataError, all_problems

FEWEST_OPTIONS = 2
QUESTION = ("题目", "题干", "问题", "试题", "题目内容", "question")
ANSWER = ("答案", "正确答案", "标准答案", "参考答案", "answer")
IGNORED = (
    "序号", "编号", "题号", "id", "no", "number", "index", "解析", "答案解析", "备注", "来源",
    "难度", "知识点", "科目", "学科", "类别", "题型",
)  # fmt: skip
_OPTION = re.compile(r"(?:选项|option)?([a-z])(?:选项)?")
ACCEPTED = (
    f"accepted are one question ({', '.join(QUESTION)}), at least {FEWEST_OPTIONS} options (A, B, "
    f"C, D or 选项A), one answer ({', '.join(ANSWER)}), and to be left out {', '.join(IGNORED)}. "
    "Give the columns such headers in row 1, or remove them"
)


@dataclass(frozen=True)
class Columns:
    """The places, from 0, of question, options by letter, in the letters' order, and answer."""

    question: int
    options: tuple[tuple[str, int], ...]
    answer: int


def columns(where: str, rows: Sequence[Sequence[str]]) -> Columns:
    """Return what the columns of a sheet are.

    A first row without any text says nothing: then the first column that is used asks, the last
    one answers, and options are between, as the authors have it.

    Args:
        where: the sheet, for a message.
        rows: of equal length, the header first; "" is an empty cell.

    Raises:
        DataError: a header that is not understood, that stands twice or is missing.

    """
    used = [place for place in range(len(rows[0])) if any(row[place] for row in rows)]
    if not any(rows[0]):
        return _by_place(where, used)
    found: dict[str, list[int]] = {}
    unknown = []
    for place in used:
        kind = _kind(rows[0][place])
        if kind is None:
            unknown.append(place)
        else:
            found.setdefault(kind, []).append(place)
    options = sorted((kind, places[0]) for kind, places in found.items() if len(kind) == 1)
    problems = [f"column {_named(place, rows[0])} is not understood" for place in unknown]
    problems += [
        f"columns {' and '.join(_named(place, rows[0]) for place in places)} are the same"
        for kind, places in found.items()
        if len(places) > 1 and kind != "ignored"
    ]
    problems += [f"no column is the {kind}" for kind in ("question", "answer") if kind not in found]
    if len(options) < FEWEST_OPTIONS:
        problems.append(f"{len(options)} columns are options")
    if problems:
        raise DataError(all_problems(f"{where}, row 1: {ACCEPTED}. Found", problems))
    return Columns(found["question"][0], tuple(options), found["answer"][0])


def _by_place(where: str, used: Sequence[int]) -> Columns:
    if len(used) < FEWEST_OPTIONS + 2:
        raise DataError(f"{where}: {len(used)} columns hold text; {ACCEPTED}")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if len(used) > len(letters) + 2:
        raise DataError(f"{where}: {len(used)} columns hold text and none has a header; {ACCEPTED}")
    return Columns(used[0], tuple(zip(letters, used[1:-1], strict=False)), used[-1])


def _kind(header: str) -> str | None:
    """Return "question", "answer", "ignored" or an option's letter; None for anything else."""
    name = re.sub(r"[\s:.、()_*#-]", "", unicodedata.normalize("NFKC", header)).lower()
    for kind, names in (("question", QUESTION), ("answer", ANSWER), ("ignored", IGNORED)):
        if name in names:
            return kind
    option = _OPTION.fullmatch(name)
    return None if option is None else option[1].upper()


def _named(place: int, header: Sequence[str]) -> str:
    from openpyxl.utils import get_column_letter

    named = repr(header[place]) if header[place] else "without a header"
    return f"{get_column_letter(place + 1)} ({named})"
