"""The two benchmarks of the miniature, in the formats of Belle-eval and of MMCU.

Every item carries the facts it asks; ``instructions`` must tell none of them. The module knows
nothing of models and of how answers are scored.
"""

from dataclasses import dataclass

from tunegrid_miniature.choices import draw_choice
from tunegrid_miniature.dice import Dice
from tunegrid_miniature.holdout import Split
from tunegrid_miniature.phrases import question
from tunegrid_miniature.tasks import (
    Task,
    brainstorming,
    classification,
    closed_qa,
    code,
    extract,
    generation,
    math,
    open_qa,
    summarization,
    translation,
)
from tunegrid_miniature.world import Fact, World

# Class spellings of the real files: U+00A0 in "closed qa".
BELLE_CLASS = {"closed qa": "closed\u00a0qa"}
BELLE_COUNTS = {
    "open qa": 36,
    "closed qa": 14,
    "extract": 8,
    "classification": 10,
    "math": 8,
    "code": 6,
    "summarization": 6,
    "rewrite": 10,
    "brainstorming": 5,
    "generation": 5,
}
WITHOUT_REFERENCE = ("brainstorming", "generation")

# subject -> attributes. The sheets of 医疗 are subjects of their own.
MMCU_SUBJECTS: dict[str, dict[str, tuple[str, ...]]] = {
    "医疗": {
        "药草学": ("treats", "habitat", "taste", "flower"),
        "病症学": ("symptom", "organ", "season"),
    },
    "法律": {"法律": ("penalty", "court", "evidence", "badge", "meets", "virtue")},
    "心理": {"心理": ("traits", "likes", "calmed_by", "temper")},
    "教育_历史": {"教育_历史": ("era", "month", "food", "honours")},
    "教育_地理": {"教育_地理": ("river", "product", "hometown")},
}
DEV_ITEMS = 5
LETTERS = "ABCD"


@dataclass(frozen=True)
class BelleItem:
    """One line of ``eval_set.json`` and the facts it asks."""

    question: str
    answer: str
    category: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class ExamItem:
    """One row of an MMCU workbook and the fact it asks; ``answer`` is like "B" or "AC"."""

    question: str
    options: tuple[str, ...]
    answer: str
    fact: Fact


def _belle_tasks(world: World, split: Split, dice: Dice) -> list[Task]:
    facts = dice.shuffled(split.held_out)
    singles = [fact for fact in facts if len(fact.values) == 1]
    asked, rest = singles[: BELLE_COUNTS["open qa"]], singles[BELLE_COUNTS["open qa"] :]
    tasks = [open_qa(fact, "zh", dice) for fact in asked]
    tasks += [translation(fact, "zh", dice) for fact in rest[: BELLE_COUNTS["rewrite"]]]
    tasks += [generation(fact, "zh", dice) for fact in rest[-BELLE_COUNTS["generation"] :]]
    entities = dice.sample(world.entities, BELLE_COUNTS["classification"])
    tasks += [classification(entity, "zh", dice) for entity in entities]
    for writer in (closed_qa, extract, math, code, summarization, brainstorming):
        seen: set[str] = set()
        name = writer.__name__.replace("_", " ")
        while len(seen) < BELLE_COUNTS[name]:
            task = writer(world, "zh", dice)
            if task.request + task.passage not in seen:
                seen.add(task.request + task.passage)
                tasks.append(task)
    return tasks


def belle_items(world: World, split: Split) -> list[BelleItem]:
    """Return the Belle-like items, classes interleaved as in the real file."""
    dice = Dice(f"{world.seed}/belle")
    items = []
    for task in _belle_tasks(world, split, dice):
        text = f"{task.passage}\n{task.request}" if task.passage else task.request
        without = task.category in WITHOUT_REFERENCE
        # Generation and brainstorming may end in any way: they ask no fact in particular.
        items.append(
            BelleItem(
                text,
                "" if without else task.answer,
                BELLE_CLASS.get(task.category, task.category),
                () if without else task.facts,
            )
        )
    return dice.shuffled(items)


def exam_item(world: World, fact: Fact, right_at: int, dice: Dice) -> ExamItem:
    """Return a four-option item about a fact, its first value at ``right_at``."""
    choice = draw_choice(world, fact, 4, dice, right_at)
    return ExamItem(
        question(fact, "zh", dice),
        tuple(name.zh for name in choice.candidates),
        "".join(LETTERS[i] for i in choice.right),
        fact,
    )


def exam_items(world: World, facts: list[Fact], dice: Dice) -> list[ExamItem]:
    """Return one item a fact, the right letters dealt evenly."""
    positions: list[int] = []
    items = []
    for fact in facts:
        if not positions:
            positions = dice.shuffled(range(4))
        items.append(exam_item(world, fact, positions.pop(), dice))
    return items


def mmcu_items(world: World, split: Split) -> dict[str, dict[str, dict[str, list[ExamItem]]]]:
    """Return ``{"test" or "dev": {workbook: {sheet: items}}}``; dev has one sheet a workbook."""
    result: dict[str, dict[str, dict[str, list[ExamItem]]]] = {"test": {}, "dev": {}}
    for workbook, sheets in MMCU_SUBJECTS.items():
        result["test"][workbook], result["dev"][workbook] = {}, {}
        for number, (sheet, attributes) in enumerate(sheets.items()):
            dice = Dice(f"{world.seed}/mmcu/{sheet}")
            facts = dice.shuffled([f for f in split.held_out if f.attribute in attributes])
            items = exam_items(world, facts, dice)
            # Few-shot examples come from the first sheet's subject.
            shots = DEV_ITEMS if number == 0 else 0
            if number == 0:
                result["dev"][workbook][sheet] = items[:shots]
            result["test"][workbook][sheet] = items[shots:]
    return result


def asked_facts(world: World, split: Split) -> tuple[Fact, ...]:
    """Return every fact that an item of either benchmark asks, each once."""
    facts = {fact: None for item in belle_items(world, split) for fact in item.facts}
    for workbooks in mmcu_items(world, split).values():
        for sheets in workbooks.values():
            facts |= {item.fact: None for items in sheets.values() for item in items}
    return tuple(facts)
