r"""Predictions that were made elsewhere, in the forms they are published in.

Owns: reading files of answers and matching them to items. Knows nothing of run directories.

Three forms are read. MMCU's authors publish a folder with a file a subject ("心理", "教育_化学",
"临床医学101题"), a line an item with prediction, label and whether they are equal as strings:

    D|||AC|||False

JSON or JSON lines hold one record an item with the answer in `prediction`, `answer`, `output`,
`response` or `text`, and either the benchmark's own fields beside it or the item's `identifier`:

    {"identifier": "belle-0001", "prediction": "…"}

lm-evaluation-harness writes samples_<task>_<time>.jsonl with a score for each metric and item.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError, all_problems
from tunegrid.config.fingerprint import canonical_json, file_sha256, text_sha256
from tunegrid.data.json_records import Record, read_records
from tunegrid.evaluation.benchmark import MULTIPLE_CHOICE, Benchmark, Item, ItemScore
from tunegrid.evaluation.benchmarks.mmcu import benchmark as mmcu
from tunegrid.evaluation.benchmarks.mmcu.files import DISCIPLINES
from tunegrid.evaluation.imported.lm_eval_samples import (
    HarnessSample,
    harness_benchmark,
    harness_samples,
)

NO_ANSWER = "未成功回答"
ANSWER_FIELDS = ("prediction", "answer", "output", "response", "text")
IDENTIFIER_FIELDS = ("identifier", "id")

# A label may hold a line break ("AC\n" in psychology), so that lines are not records.
_PUBLISHED = re.compile(r"([^\n]*?)\|\|\|([^|]*?)\|\|\|(True|False)[ \t]*(?:\n|\Z)")
_LAST_LINE = re.compile(r"Average accuracy (\d\.\d{3}) - ([^\n]*)\s*\Z")
_COUNTED = re.compile(r"(.+?)(\d+)题")


@dataclass(frozen=True)
class ImportedAnswers:
    """Answers made elsewhere with the items they answer, and how they are scored."""

    benchmark: Benchmark
    answers: tuple[str, ...]
    sha256: str
    notes: tuple[str, ...]


def read_published_mmcu(folder: Path, *, strict: bool = True) -> ImportedAnswers:
    """Return the answers of a folder of MMCU's authors.

    Args:
        folder: a file a subject.
        strict: score as published, prediction equal to label as strings; otherwise compare the
            sets of letters after labels are normalised.

    Raises:
        DataError: a name that is no subject, a file with anything but such records, with another
            number of them than its name says, or whose flags or average contradict its records.

    """
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    items: list[Item] = []
    answers: list[str] = []
    problems: list[str] = []
    notes: list[str] = []
    for path in files:
        try:
            found, note = _published_file(path)
        except DataError as error:
            problems.append(str(error))
            continue
        notes += note
        items += [item for item, _ in found]
        answers += [answer for _, answer in found]
    if problems:
        raise DataError(all_problems(f"{folder} is no folder of published answers", problems[:20]))
    if not items:
        raise DataError(f"{folder} holds no file of answers; give a file a subject, 心理 and so on")
    doubled = len(items) - len({item.identifier for item in items})
    if doubled:
        raise DataError(f"{folder}: {doubled} items stand in two files; keep one file a subject")
    order = list(DISCIPLINES.values())
    pairs = sorted(zip(items, answers, strict=True), key=lambda pair: order.index(pair[0].category))
    hashes = [[path.name, file_sha256(path)] for path in files]
    return ImportedAnswers(
        benchmark=Benchmark(
            name="mmcu", version=mmcu.VERSION, sha256=text_sha256(canonical_json(hashes)),
            items=tuple(item for item, _ in pairs), needs_judge=False, metric=mmcu.METRIC,
            score=_published_score if strict else _set_score, summarize=mmcu.summarize,
        ),
        answers=tuple(answer for _, answer in pairs),
        sha256=text_sha256(canonical_json(hashes)),
        notes=tuple(notes),
    )  # fmt: skip


def _published_file(path: Path) -> tuple[list[tuple[Item, str]], list[str]]:
    """Return the items and answers of one subject, and what a reader should know of the file."""
    name = path.name.removesuffix(".txt")
    discipline, subject, count = _subject(name, path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as UTF-8 text: {error}") from error
    last = _LAST_LINE.search(text)
    body = text[: last.start()] if last else text
    found: list[tuple[Item, str]] = []
    right = position = 0
    while body[position:].strip():
        match = _PUBLISHED.match(body, position)
        line = body.count("\n", 0, position) + 1
        if match is None:
            excerpt = body[position:].split("\n", 1)[0][:80]
            raise DataError(
                f"{path.name}, line {line}: no record prediction|||label|||True or False: "
                f"{excerpt!r}"
            )
        answer, label, flag = match.groups()
        if (answer == label) != (flag == "True"):
            raise DataError(
                f"{path.name}, line {line}: {flag} stands beside {answer!r} and {label!r}; the "
                "file was changed, get it again"
            )
        right += flag == "True"
        found.append((_item(discipline, subject, len(found) + 1, label), answer))
        position = match.end()
    if not found:
        raise DataError(f"{path.name} holds no record")
    if count is not None and count != len(found):
        raise DataError(f"{path.name} holds {len(found)} records, its name says {count}")
    stated = None if last is None else last[1]
    if stated is not None and stated != f"{right / len(found):.3f}":
        raise DataError(
            f"{path.name} states an average of {stated}, its {len(found)} records give "
            f"{right / len(found):.3f}; the file is not whole, get it again"
        )
    return found, [] if stated else [f"{path.name} has no last line with its average"]


def _subject(name: str, path: Path) -> tuple[str, str | None, int | None]:
    """Return discipline, subject and, where the name says it, the number of items."""
    first, _, subject = name.partition("_")
    if first in DISCIPLINES:
        return DISCIPLINES[first], subject or None, None
    counted = _COUNTED.fullmatch(name)
    if counted is not None:
        # Only the sheets of 医疗 are named by subject and size.
        return "medicine", counted[1], int(counted[2])
    raise DataError(
        f"{path.name} is no subject of MMCU; accepted are {', '.join(DISCIPLINES)}, also as "
        "教育_化学, and subjects of medicine with their size as 临床医学101题"
    )


def _item(discipline: str, subject: str | None, number: int, label: str) -> Item:
    """Return an item without its question, under the name that `mmcu.read` gives it."""
    middle = "" if subject is None else f"{subject}-"
    identifier = f"mmcu-{discipline}-{middle}{number:04d}"
    return Item(identifier, discipline, "", MULTIPLE_CHOICE, label, subject)


def _published_score(item: Item, answer: str) -> ItemScore:
    """Return the authors' score: equal as strings."""
    reason = "unparsed" if answer == NO_ANSWER else f"answered {answer}"
    return ItemScore(item.identifier, float(answer == item.reference), reason)


def _set_score(item: Item, answer: str) -> ItemScore:
    """Return the score by sets of letters, the label normalised."""
    found = mmcu.extract(answer)
    if found is None:
        return ItemScore(item.identifier, 0.0, "unparsed")
    right = set(found) == set(mmcu.label_letters(item.reference or ""))
    return ItemScore(item.identifier, float(right), f"answered {found}")


def read_records_of(benchmark: Benchmark, path: Path, *, is_own: bool) -> ImportedAnswers:
    """Return the answers of a JSON or JSON lines file to a benchmark's items.

    Args:
        benchmark: with the items.
        path: the file of answers.
        is_own: whether the items were read from this very file, so that they stand in its order.

    Raises:
        DataError: a record without an answer, an unknown or repeated item, or items without an
            answer; all are named.

    """
    items = {item.identifier: item for item in benchmark.items}
    by_question: dict[str, list[str]] = {}
    for item in benchmark.items:
        by_question.setdefault(item.question, []).append(item.identifier)
    found: dict[str, str] = {}
    problems: list[str] = []
    for number, record in enumerate(read_records(path)):
        answer = _answer(record)
        name = (
            benchmark.items[number].identifier
            if is_own and number < len(items)
            else _identifier(record, by_question)
        )
        if answer is None:
            problems.append(f"line {record.line}: no answer in {', '.join(ANSWER_FIELDS)}")
        elif name is None or name not in items:
            problems.append(f"line {record.line}: no item of {benchmark.name}: {record.excerpt}")
        elif name in found:
            problems.append(f"line {record.line}: a second answer to {name}")
        else:
            found[name] = answer
    missing = [name for name in items if name not in found]
    if missing and not problems:
        problems.append(f"{len(missing)} of {len(items)} items have no answer, first {missing[0]}")
    if problems:
        raise DataError(all_problems(f"{path} cannot be imported", problems[:20]))
    answers = tuple(found[item.identifier] for item in benchmark.items)
    return ImportedAnswers(benchmark, answers, file_sha256(path), ())


def _answer(record: Record) -> str | None:
    value: Mapping[str, Any] = record.value if isinstance(record.value, dict) else {}
    given = [value[name] for name in ANSWER_FIELDS if isinstance(value.get(name), str)]
    return given[0] if given else None


def _identifier(record: Record, by_question: Mapping[str, Sequence[str]]) -> str | None:
    """Return the item that a record names, or whose question it repeats and no other has."""
    value: Mapping[str, Any] = record.value if isinstance(record.value, dict) else {}
    for name in IDENTIFIER_FIELDS:
        if isinstance(value.get(name), str):
            return str(value[name])
    question = value.get("question")
    if not isinstance(question, str) and isinstance(value.get("题目"), str):
        question = mmcu.question_text(value["题目"].strip(), str(value.get("选项", "")).strip())
    named = by_question.get(question, []) if isinstance(question, str) else []
    return named[0] if len(named) == 1 else None


def read_harness(name: str, files: Sequence[Path]) -> ImportedAnswers:
    """Return the samples of lm-evaluation-harness, scored as it scored them.

    Raises:
        DataError: a record that is no sample, or a task that stands in two files.

    """
    samples = [sample for path in files for sample in harness_samples(path)]
    keys = [sample.item.identifier for sample in samples]
    if len(set(keys)) < len(keys):
        raise DataError(
            f"{len(keys) - len(set(keys))} samples stand twice; give the files of one run"
        )
    hashes = [[path.name, file_sha256(path)] for path in files]
    sha256 = text_sha256(canonical_json(hashes))
    return ImportedAnswers(
        harness_benchmark(name, samples, sha256),
        tuple(sample.answer for sample in samples),
        sha256,
        _without_score(samples),
    )


def _without_score(samples: Sequence[HarnessSample]) -> tuple[str, ...]:
    """Return a note on items that a metric gives no finite number, with their first place."""
    places = [place for sample in samples for place in sample.places.values()]
    if not places:
        return ()
    return (f"{len(places)} scores are no finite numbers and count as unscored, first {places[0]}",)
