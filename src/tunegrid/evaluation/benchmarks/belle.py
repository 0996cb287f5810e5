r"""Belle-eval: 1,000 Chinese instructions of ten categories, most with a reference answer.

Owns: reading the set, its categories and its summary. Knows nothing of judges (which rate the
answers, because the set has no scoring rule of its own), prompts or models.

The file is `eval/eval_set.json` of the BELLE project, JSON lines; its second one is

    {"question": "回答以下问题的答案。\n中国有多少个省？",
     "std_answer": "中国目前有34个省级行政区。…", "class": "open qa"}

which gives `Item("belle-0002", category="open_qa", form="instruction", group=None)` with the
question and, as reference, the std_answer as they stand. An empty std_answer (369 items) is no
reference. Some classes are written with a no-break space ("closed\xa0qa") and the judge prompts
in other case, so both sides are normalised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, DataError, all_problems
from tunegrid.config.fingerprint import file_sha256
from tunegrid.data.json_records import Record, RepeatedKeys, read_records
from tunegrid.evaluation.benchmark import (
    INSTRUCTION,
    Benchmark,
    Item,
    ItemScore,
    Measurement,
    average,
    by_identifier,
    measurement,
)

VERSION = "1"
PATH_OPTIONS = ("judge_prompts",)
NEEDS_JUDGE = True
"""For plans where the file is not here: no rule scores its answers."""
METRIC = "score"

# Class name of the file, normalised, to the category's name; the order is the study's (Table 2).
CATEGORIES = {
    "code": "code",
    "open qa": "open_qa",
    "brainstorming": "brainstorming",
    "classification": "classification",
    "math": "math",
    "generation": "generation",
    "summarization": "summarization",
    "rewrite": "rewrite",
    "closed qa": "closed_qa",
    "extract": "extract",
}

# The study's eval/score.py shows its judge no reference for these, also where there is one (39
# items of rewrite).
REFERENCE_FREE = frozenset({"generation", "brainstorming", "rewrite"})
JUDGE_PROMPTS = "eval_prompt.json"

ORIGIN = (
    "Belle-eval (1,000 items, licence ODC-By) is eval/eval_set.json of the BELLE project "
    "(LianjiaTech/BELLE); name your copy with eval.benchmarks.belle.path=<file>"
)


def read(path: Path, *, judge_prompts: str | None = None) -> Benchmark:
    """Return Belle-eval from its JSON lines, or from one JSON array of the same records.

    Args:
        path: the file of items.
        judge_prompts: a file of records `class` and `prompt` (BELLE's eval_prompt.json), what a
            language model is told when it rates a category; None takes the file of that name
            beside the items, where there is one.

    Raises:
        DataError: a missing file, a record with an unknown class, a missing or empty field, or
            a question that stands twice in a class; all such records are named.
        ConfigError: `judge_prompts` names no file.

    """
    path = Path(path)
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}. {ORIGIN}")
    items: list[Item] = []
    problems: list[str] = []
    first_lines: dict[tuple[str, str], int] = {}
    for record in read_records(path):
        found = _item(record)
        if isinstance(found, str):
            problems.append(f"line {record.line}: {found}")
            continue
        key = (found.category, found.question)
        if key in first_lines:
            problems.append(
                f"line {record.line}: the question stands on line {first_lines[key]} already: "
                f"{record.excerpt}"
            )
        first_lines.setdefault(key, record.line)
        items.append(found)
    if problems:
        raise DataError(
            all_problems(f"{path} is not Belle-eval", problems[:20])
            + f"\nAccepted: question, std_answer and class as text. {ORIGIN}"
        )
    if judge_prompts is None and (path.parent / JUDGE_PROMPTS).is_file():
        judge_prompts = str(path.parent / JUDGE_PROMPTS)
    prompts = {} if judge_prompts is None else read_judge_prompts(Path(judge_prompts))
    without = {item.category for item in items} - prompts.keys() if prompts else set()
    if without:
        raise DataError(
            f"{judge_prompts}: no judge prompt for {', '.join(sorted(without))}; add a record "
            "with this class and its prompt"
        )
    return Benchmark(
        name="belle",
        version=VERSION,
        sha256=file_sha256(path),
        items=tuple(items),
        needs_judge=True,
        metric=METRIC,
        score=None,
        summarize=partial(summarize, metric=METRIC),
        judge_prompts=prompts,
        reference_free=REFERENCE_FREE,
    )


def read_judge_prompts(path: Path) -> dict[str, str]:
    """Return the judge's prompt of each category from BELLE's eval_prompt.json.

    A class without items, such as the former "translation", keeps its own name.

    Raises:
        ConfigError: there is no such file.
        DataError: a record without class and prompt, or a class given twice.

    """
    if not path.is_file():
        raise ConfigError(
            f"judge_prompts: there is no file {path}; it is eval/eval_prompt.json of the BELLE "
            "project, or null when the judge needs none"
        )
    found: dict[str, str] = {}
    for record in read_records(path):
        value = record.value if isinstance(record.value, dict) else {}
        name, prompt = value.get("class"), value.get("prompt")
        if not isinstance(name, str) or not isinstance(prompt, str) or not prompt.strip():
            raise DataError(f"{path}, line {record.line}: not class and prompt: {record.excerpt}")
        name = normalized(name)
        category = CATEGORIES.get(name, name)
        if category in found:
            raise DataError(f"{path}, line {record.line}: class {name!r} has a prompt already")
        found[category] = prompt
    return found


def normalized(name: str) -> str:
    """Return a class name in lower case, with plain single spaces."""
    return " ".join(name.lower().split())


def summarize(
    items: Sequence[Item], scores: Sequence[ItemScore], *, metric: str
) -> list[Measurement]:
    """Return the mean of each category present, in per cent, and their macro average.

    The average is called `average` only when every category present has a scored item; without
    that it is taken over those which have one and called `average_scored`, for the study's
    average over ten categories is another number. `unscored` counts what is missing.
    """
    by_category: dict[str, list[ItemScore]] = {}
    for item, score in by_identifier(items, scores):
        by_category.setdefault(item.category, []).append(score)
    present = [category for category in CATEGORIES.values() if category in by_category]
    rows = [measurement(category, metric, by_category[category]) for category in present]
    scored = [row for row in rows if row.value is not None]
    if len(scored) == len(rows):
        return [*rows, average("average", metric, rows)]
    return [*rows, _average_of_some(metric, scored, rows)]


def _average_of_some(
    metric: str, scored: Sequence[Measurement], rows: Sequence[Measurement]
) -> Measurement:
    """Return the average over the scored categories; `unscored` counts the others' items too."""
    found = average("average_scored", metric, scored)
    unscored = sum(row.unscored for row in rows)
    return Measurement(
        found.category, metric, found.value, found.items, unscored, found.standard_error
    )


def _item(record: Record) -> Item | str:
    """Return the item of one record, or what is wrong with it."""
    value: Any = record.value
    if not isinstance(value, Mapping):
        return f"not an object: {record.excerpt}"
    if isinstance(value, RepeatedKeys):
        return f"a field stands twice: {record.excerpt}"
    for key in ("question", "std_answer", "class"):
        if not isinstance(value.get(key), str):
            return f"no text in {key!r}: {record.excerpt}"
    category = CATEGORIES.get(normalized(value["class"]))
    if category is None:
        return f"unknown class {value['class']!r}; accepted are {', '.join(CATEGORIES)}"
    if not value["question"].strip():
        return f"the question is empty: {record.excerpt}"
    return Item(
        identifier=f"belle-{record.position:04d}",
        category=category,
        question=value["question"],
        form=INSTRUCTION,
        reference=value["std_answer"] if value["std_answer"].strip() else None,
        group=None,
    )
