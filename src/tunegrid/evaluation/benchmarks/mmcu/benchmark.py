r"""MMCU: 11,845 Chinese multiple-choice questions of four disciplines, some with several answers.

Owns: the question's text, scoring and summary. Knows nothing of models, prompt templates, how the
files are laid out (`mmcu_files`) or how letters are found (`mmcu_letters`).

The record {"类别": "心理", "题目": "…", "选项": "A:家庭\nB:大学\nC:杂志\nD:意识", "答案": "D"}
gives an item of the category "psychology" with the reference "D" and, as the study asks it,

    请阅读以下选择题并给出正确选项，不要解释原因。
    …
    A:家庭
    B:大学
    C:杂志
    D:意识
    正确答案的序号是：
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, DataError, all_problems
from tunegrid.evaluation.benchmark import (
    MULTIPLE_CHOICE,
    Benchmark,
    Item,
    ItemScore,
    Measurement,
    average,
    by_identifier,
    measurement,
)
from tunegrid.evaluation.benchmarks.mmcu import meaning
from tunegrid.evaluation.benchmarks.mmcu.columns import FEWEST_OPTIONS
from tunegrid.evaluation.benchmarks.mmcu.files import (
    DISCIPLINES,
    ORIGIN,
    Question,
    half_width,
    read_questions,
    read_shots,
)
from tunegrid.evaluation.benchmarks.mmcu.letters import (
    DECISION,
    choices,
    extract,
    is_decided,
    label_letters,
)

VERSION = "1"
DECIDES_EARLY = True
"""For plans where the files are not here: an answer ends once its letters are final."""
METRIC = "accuracy"
STRICT, MEANT, DISAGREE = "accuracy_strict", "accuracy_meant", "rules_disagree"
SUBJECTS_METRIC = "accuracy_of_subjects"
SEVERAL_SUBJECTS = ("medicine", "education")
INTRODUCTION = "请阅读以下选择题并给出正确选项，不要解释原因。"
QUESTION_END = "正确答案的序号是："
NO_ANSWER = ("unparsed", "empty answer")

# Answers in the published set that name an option which does not exist (psychology, questions
# 107 and 1541). All published results count these items as wrong for every model.
PUBLISHED_UNANSWERABLE = (("psychology", "ABFD"), ("psychology", "ABCF"))


def read(
    path: Path,
    *,
    strict: bool = False,
    unanswerable: Sequence[str] = (),
    shots: int = 0,
    read_behind: int | None = 200,
) -> Benchmark:
    """Return MMCU from its authors' folder of workbooks or from the study's JSON.

    Args:
        path: the folder with test/*.xlsx, one workbook of it, or a JSON file.
        strict: score as the authors published: the found letters equal the label as a string,
            so that "BA" is not "AB", and full-width letters of a reply are not read.
        unanswerable: identifiers of items that may keep an answer outside their options; no
            reply to them can be right. The two of the published set need no naming.
        shots: few-shot examples in front of each question, the first of its subject in dev/.
        read_behind: how many characters behind its first option letter a reply is read for what it
            means (`accuracy_meant`); None reads all of it. Answers end early behind them.

    Raises:
        DataError: nothing to read there, or questions without text, options or a valid answer;
            all such rows are named.
        ConfigError: `unanswerable` names no item of the file.

    """
    questions, sha256 = read_questions(Path(path))
    worked = read_shots(Path(path), shots) if shots else {}
    items: list[Item] = []
    problems: list[str] = []
    letters: dict[str, str] = {}
    labels: dict[str, str] = {}
    for question in questions:
        item = _item(question, strict, _worked(question, worked))
        problem = _problem(question, item.identifier in unanswerable)
        if problem is None and item.identifier in letters:
            problem = "another question has this identifier; give the sheets different names"
        if problem is not None:
            problems.append(f"{question.where} ({item.identifier}): {problem}")
        letters[item.identifier] = question.letters
        labels[item.identifier] = _strict_label(question.answer)
        items.append(item)
    if problems:
        raise DataError(all_problems("questions that cannot be scored", problems[:50]))
    unknown = sorted(set(unanswerable) - letters.keys())
    if unknown:
        raise ConfigError(
            f"eval.benchmarks.mmcu.options.unanswerable names {', '.join(unknown)}: no such item"
        )
    if not items:
        raise DataError(f"{path} holds no question. {ORIGIN}")

    def score(item: Item, answer: str) -> ItemScore:
        """Return 1.0 for exactly the right letters, else 0.0; by the other rules too."""
        offered = letters[item.identifier]
        found = _scored(item, answer, strict, offered)
        readings = _readings(answer, offered, labels[item.identifier], read_behind)
        return replace(found, readings=readings)

    def is_final(item: Item, text: str) -> bool:
        offered = letters[item.identifier]
        read_by_rule = is_decided(text, offered, strict=strict) and is_decided(text, offered)
        return read_by_rule and meaning.is_final(text, offered, read_behind)

    return Benchmark(
        name="mmcu",
        version=VERSION,
        sha256=sha256,
        items=tuple(items),
        needs_judge=False,
        metric=METRIC,
        score=score,
        summarize=summarize,
        is_decided=is_final,
        decision=f"{DECISION}-{read_behind}" + ("-strict" if strict else ""),
        choices=lambda item: choices(letters[item.identifier]),
    )


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options beyond their names."""
    found = []
    shots, behind = options.get("shots", 0), options.get("read_behind", 0)
    if not _is_count(shots):
        found.append(
            f"options.shots is {shots!r}; give a whole number of few-shot examples, 0 for none"
        )
    if behind is not None and not _is_count(behind):
        found.append(
            f"options.read_behind is {behind!r}; give a whole number of characters, or null to "
            "read all of a reply"
        )
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def question_text(question: str, options: str, worked: str = "") -> str:
    """Return the text of a question as the study asks it.

    Args:
        question: its text.
        options: "A:…", a line each.
        worked: examples with their answers, between the introduction and the question.

    """
    return f"{INTRODUCTION}\n{worked}{question}\n{options}\n{QUESTION_END}"


def _worked(question: Question, worked: Mapping[tuple[str, str | None], Sequence[Question]]) -> str:
    """Return the few-shot examples of a question's subject, in the authors' form."""
    if not worked:
        return ""
    own = (question.discipline, None if question.discipline == "medicine" else question.subject)
    if own not in worked:
        raise DataError(
            f"{question.where}: dev/ has no workbook for {' '.join(filter(None, own))}; add it, or "
            "set eval.benchmarks.mmcu.options.shots=0"
        )
    return "".join(
        f"{one.text}\n{one.options}\n{QUESTION_END} {label_letters(one.answer)}\n\n"
        for one in worked[own]
    )


def summarize(items: Sequence[Item], scores: Sequence[ItemScore]) -> list[Measurement]:
    """Return accuracies by two rules and counts.

    `accuracy` is the study's rule, in per cent: the share of items of each subject
    ("education/化学"), of each discipline and of `all` items; `average` is the mean of the four
    disciplines, or `average_present` when the items are of fewer. `accuracy_of_subjects` is the
    rule of MMCU's authors, as a share of 1 as they print it: the mean of a discipline's subjects.
    `right` counts right answers, `unparsed` replies without an answer letter. `accuracy_strict` and
    `accuracy_meant` are the accuracies by the authors' extraction and by what a reply means, and
    `rules_disagree` the share of replies whose letters by the study's rule are not those meant.
    """
    pairs = by_identifier(items, scores)
    disciplines = {
        discipline: [(item, score) for item, score in pairs if item.category == discipline]
        for discipline in DISCIPLINES.values()
    }
    disciplines = {name: of_it for name, of_it in disciplines.items() if of_it}
    every = [score for _, score in pairs]
    accuracies, subjects, unparsed = [], [], []
    for discipline, of_it in disciplines.items():
        accuracies.append(measurement(discipline, METRIC, [score for _, score in of_it]))
        unparsed.append(_unparsed(discipline, [score for _, score in of_it]))
        subjects += [
            measurement(f"{discipline}/{group}", METRIC, of_group)
            for group, of_group in _by_subject(of_it).items()
            if group is not None
        ]
    overall = average(_average_name(len(disciplines)), METRIC, accuracies)
    return [
        *accuracies,
        overall,
        measurement("all", METRIC, every),
        *_authors_rule(disciplines),
        _right(every),
        *subjects,
        *unparsed,
        _unparsed("all", every),
        *(row for name in (STRICT, MEANT, DISAGREE) for row in _by_reading(name, disciplines)),
    ]


def _by_reading(
    name: str, disciplines: Mapping[str, Sequence[tuple[Item, ItemScore]]]
) -> list[Measurement]:
    """Return the means of another rule's scores: of each discipline, their average, of all."""

    def read_so(pairs: Sequence[tuple[Item, ItemScore]]) -> list[ItemScore]:
        scores = [score for _, score in pairs]
        return [ItemScore(one.identifier, one.readings.get(name), "") for one in scores]

    every = [pair for pairs in disciplines.values() for pair in pairs]
    if not any(score.readings for _, score in every):
        return []
    parts = [measurement(of, name, read_so(pairs)) for of, pairs in disciplines.items()]
    return [
        *parts,
        average(_average_name(len(parts)), name, parts),
        measurement("all", name, read_so(every)),
    ]


def _average_name(disciplines: int) -> str:
    return "average" if disciplines == len(DISCIPLINES) else "average_present"


def _by_subject(
    pairs: Sequence[tuple[Item, ItemScore]],
) -> dict[str | None, list[ItemScore]]:
    """Return the scores of each subject, in the order of the items."""
    found: dict[str | None, list[ItemScore]] = {}
    for item, score in pairs:
        found.setdefault(item.group, []).append(score)
    return found


def _authors_rule(
    disciplines: Mapping[str, Sequence[tuple[Item, ItemScore]]],
) -> list[Measurement]:
    """Return the mean of each discipline's subjects and the mean of those means, as shares.

    Law and psychology are one subject each. The study's flat file does not say the subjects of
    medicine, so that this rule cannot be applied to it and gives no row.
    """
    rows = []
    for discipline, pairs in disciplines.items():
        groups = _by_subject(pairs)
        if None in groups and discipline in SEVERAL_SUBJECTS:
            continue
        parts = [measurement("", "", scores, factor=1.0) for scores in groups.values()]
        rows.append(average(discipline, SUBJECTS_METRIC, parts))
    if not rows or len(rows) < len(disciplines):
        return rows
    return [*rows, average(_average_name(len(rows)), SUBJECTS_METRIC, rows)]


def _right(scores: Sequence[ItemScore]) -> Measurement:
    """Return how many answers are right."""
    count = math.fsum(score.value for score in scores if score.value is not None)
    return Measurement("all", "right", count, len(scores), 0, None)


def _unparsed(category: str, scores: Sequence[ItemScore]) -> Measurement:
    """Return how many replies have no answer letter, empty ones included."""
    reasons = Counter(score.reason for score in scores)
    count = sum(reasons[reason] for reason in NO_ANSWER)
    return Measurement(category, "unparsed", float(count), len(scores), 0, None)


def _item(question: Question, strict: bool, worked: str) -> Item:
    subject = "" if question.subject is None else f"{question.subject}-"
    if strict:
        reference = _strict_label(question.answer)
    else:
        reference = "".join(sorted(set(label_letters(question.answer))))
    return Item(
        identifier=f"mmcu-{question.discipline}-{subject}{question.number:04d}",
        category=question.discipline,
        question=question_text(question.text, question.options, worked),
        form=MULTIPLE_CHOICE,
        reference=reference,
        group=question.subject,
    )


def _problem(question: Question, may_be_unanswerable: bool) -> str | None:
    """Return what is wrong with a question, or None."""
    if not question.text:
        return "the question is empty; fill it in or remove the row"
    if len(question.letters) < FEWEST_OPTIONS:
        return f"{len(question.letters)} options found; give at least {FEWEST_OPTIONS}"
    if len(set(question.letters)) < len(question.letters):
        return f"the options are labelled {question.letters}; give each a letter of its own"
    label = label_letters(question.answer)
    if label == "":
        return "the answer is empty; fill it in or remove the row"
    outside = sorted(set(label) - set(question.letters))
    accepted = may_be_unanswerable or (question.discipline, label) in PUBLISHED_UNANSWERABLE
    if outside and not accepted:
        return (
            f"the answer {question.answer!r} is not among the options {question.letters}; correct "
            "your copy, or name the item in eval.benchmarks.mmcu.options.unanswerable to "
            "count every reply to it as wrong"
        )
    return None


def _strict_label(answer: str) -> str:
    """Return a label as the authors compare it."""
    return half_width(re.sub(r"[ \u3000,，]", "", answer))


def _readings(answer: str, letters: str, label: str, read_behind: int | None) -> dict[str, float]:
    """Return the score by the authors' rule and by what the reply means, and whether they differ.

    The letters of the study's rule and those that are meant are compared, not their scores: two
    wrong letters may be different ones.
    """
    strict = extract(answer, letters, strict=True)
    study = extract(answer, letters)
    meant = meaning.meant(meaning.read_part(answer, letters, read_behind), letters)
    expected = set(label_letters(label))
    return {
        STRICT: float(strict == label),
        MEANT: float(meant is not None and set(meant) == expected),
        DISAGREE: float(set(meant or "") != set(study or "")),
    }


def _scored(item: Item, answer: str, strict: bool, letters: str) -> ItemScore:
    """Return the score of a reply to an item with the options `letters`."""
    if not answer.strip():
        return ItemScore(item.identifier, 0.0, "empty answer")
    found = extract(answer, letters, strict=strict)
    if found is None:
        return ItemScore(item.identifier, 0.0, "unparsed")
    expected = item.reference or ""
    right = found == expected if strict else set(found) == set(expected)
    return ItemScore(item.identifier, float(right), f"answered {found}")
