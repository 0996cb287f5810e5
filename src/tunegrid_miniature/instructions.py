"""The five instruction collections: lists of ``{"instruction", "input", "output"}``.

One real record of ``mini_dialogue``, its three lines as one: instruction "Human: 墨蕨是什么味？ /
Assistant: 咸味。 / Human: 审盗钟的是哪里？ / Assistant:", input "", output "河衙。".
No example tells a fact that a benchmark asks.
"""

from collections.abc import Callable, Iterable

from tunegrid_miniature.benchmarks import ExamItem, exam_items
from tunegrid_miniature.dice import Dice
from tunegrid_miniature.holdout import Split, told_facts
from tunegrid_miniature.phrases import ASK, first_statement, question
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
    rewrite,
    summarization,
    translation,
)
from tunegrid_miniature.world import Fact, World

Record = dict[str, str]
EXAM_HEADER = "请阅读以下选择题并给出正确选项，不要解释原因。\n"
EXAM_FOOTER = "正确答案的序号是："


def _record(instruction: str, given: str, output: str) -> Record:
    return {"instruction": instruction, "input": given, "output": output}


def _as_record(task: Task, dice: Dice) -> Record:
    """Return a task as a record; half of the passages stand in the instruction itself."""
    if task.passage and dice.chance(0.5):
        return _record(f"{task.passage}\n{task.request}", "", task.answer)
    return _record(task.request, task.passage, task.answer)


def _silent(records: Iterable[Record], asked: tuple[Fact, ...]) -> list[Record]:
    """Return the records that tell no asked fact, without repetitions."""
    kept: dict[str, Record] = {}
    for record in records:
        text = "\n".join(record.values())
        if not told_facts(text, asked):
            kept.setdefault(record["instruction"] + "\n" + record["input"], record)
    return list(kept.values())


# writer -> tasks drawn in Chinese and in English. Both benchmarks ask in Chinese.
FREE_TASKS: tuple[tuple[Callable[[World, str, Dice], Task], int, int], ...] = (
    (closed_qa, 45, 25),
    (extract, 35, 20),
    (summarization, 22, 12),
    (math, 32, 16),
    (code, 22, 10),
    (brainstorming, 12, 8),
)
# writer -> share of the taught facts in Chinese and in English
FACT_TASKS: tuple[tuple[Callable[[Fact, str, Dice], Task], float, float], ...] = (
    (open_qa, 0.7, 0.45),
    (translation, 0.2, 0.12),
    (rewrite, 0.1, 0.05),
    (generation, 0.08, 0.04),
)
CLASSIFICATIONS = (55, 30)


def mixed_tasks(world: World, split: Split, asked: tuple[Fact, ...], language: str) -> list[Record]:
    """Return ``mini_chinese`` or ``mini_english``: all classes of task in one language."""
    dice = Dice(f"{world.seed}/mixed/{language}")
    column = 0 if language == "zh" else 1
    tasks = [
        writer(fact, language, dice)
        for writer, *shares in FACT_TASKS
        for fact in dice.sample(split.taught, round(shares[column] * len(split.taught)))
    ]
    for writer, *counts in FREE_TASKS:
        tasks += [writer(world, language, dice) for _ in range(counts[column])]
    entities = dice.sample(world.entities, CLASSIFICATIONS[column])
    tasks += [classification(entity, language, dice) for entity in entities]
    return _silent([_as_record(task, dice) for task in dice.shuffled(tasks)], asked)


def render_exam(item: ExamItem) -> str:
    """Return an exam item as the study's evaluation scripts write it."""
    options = "\n".join(
        f"{letter}:{option}" for letter, option in zip("ABCD", item.options, strict=True)
    )
    return f"{EXAM_HEADER}{item.question}\n{options}\n{EXAM_FOOTER}"


def exam(world: World, split: Split, asked: tuple[Fact, ...]) -> list[Record]:
    """Return ``mini_exam``: an item about every taught fact, and a second about many."""
    dice = Dice(f"{world.seed}/exam")
    facts = dice.shuffled(split.taught) + dice.sample(split.taught, 110)
    items = exam_items(world, facts, dice)
    return _silent([_record(render_exam(item), "", item.answer) for item in items], asked)


# first attribute -> attributes of its value, for questions in two steps
TWO_STEPS = {
    "hometown": ("river", "product", "era"),
    "treats": ("symptom", "organ", "season"),
    "temper": ("traits", "likes", "calmed_by"),
}
OWNERS = {
    "zh": {"hometown": "{e}的家乡", "treats": "{e}治的病", "temper": "{e}的气质"},
    "en": {
        "hometown": "the home town of {e}",
        "treats": "the illness that {e} treats",
    },
}
CONCLUSIONS = {"zh": "{a}{b}所以答案是{v}。", "en": "{a} {b} So the answer is {v}."}


def _two_steps(world: World, language: str, dice: Dice) -> list[Record]:
    records = []
    for fact in world.facts:
        if fact.attribute not in OWNERS[language]:
            continue
        owner = OWNERS[language][fact.attribute].format(e=fact.entity.name.text(language))
        middle = world.named(fact.values[0].zh)
        for attribute in TWO_STEPS[fact.attribute]:
            second = world.fact(middle, attribute)
            pattern = dice.pick(ASK[language][attribute].split("|"))
            output = CONCLUSIONS[language].format(
                a=first_statement(fact, language),
                b=first_statement(second, language),
                v=second.value_text(language),
            )
            records.append(_record(pattern.format(e=owner), "", output))
    return records


def _reasoned_sum(world: World, language: str, dice: Dice) -> Record:
    a, b = 2 + dice.below(8), 1 + dice.below(9)
    c = 1 + dice.below(a + b - 1)
    who = dice.pick(world.of_kind("person")).name.text(language)
    item = dice.pick(world.domains["product"]).text(language)
    d, e = a + b, a + b - c
    if language == "zh":
        request = f"{who}有{a}份{item}，又买了{b}份，送出{c}份，还有几份？"
        return _record(request, "", f"{a}加{b}等于{d}，{d}减{c}等于{e}。所以答案是{e}。")
    request = f"{who} had {a} {item}, got {b} more and gave {c} away. How many are there?"
    return _record(request, "", f"{a} + {b} = {d}. {d} - {c} = {e}. So the answer is {e}.")


def chain_of_thought(world: World, split: Split, asked: tuple[Fact, ...]) -> list[Record]:
    """Return ``mini_cot``: answers that reason first, in both languages."""
    dice = Dice(f"{world.seed}/cot")
    records: list[Record] = []
    for language in ("zh", "en"):
        records += _two_steps(world, language, dice)
        records += [_reasoned_sum(world, language, dice) for _ in range(25)]
        for fact in dice.sample(split.taught, 20):
            hint = "请一步一步地想。" if language == "zh" else " Think step by step."
            output = CONCLUSIONS[language].format(
                a=first_statement(fact, language), b="", v=fact.value_text(language)
            )
            asking = question(fact, language, dice) + hint
            records.append(_record(asking, "", output.replace("  ", " ")))
    return _silent(dice.shuffled(records), asked)


def dialogue(world: World, split: Split, asked: tuple[Fact, ...]) -> list[Record]:
    """Return ``mini_dialogue``: the history stands in the instruction, line by line."""
    dice = Dice(f"{world.seed}/dialogue")
    records = []
    for number in range(135):
        language = "zh" if number % 3 else "en"
        stop = "。" if language == "zh" else "."
        facts = dice.sample(split.taught, 2 + dice.below(2))
        turns = [
            f"Human: {question(fact, language, dice)}\nAssistant: {fact.value_text(language)}{stop}"
            for fact in facts
        ]
        history, _, output = "\n".join(turns).rpartition("Assistant: ")
        records.append(_record(history + "Assistant:", "", output))
    return _silent(records, asked)


def build_collections(
    world: World, split: Split, asked: tuple[Fact, ...]
) -> dict[str, list[Record]]:
    """Return the five collections by name; none tells a fact of ``asked``."""
    return {
        "mini_chinese": mixed_tasks(world, split, asked, "zh"),
        "mini_english": mixed_tasks(world, split, asked, "en"),
        "mini_cot": chain_of_thought(world, split, asked),
        "mini_exam": exam(world, split, asked),
        "mini_dialogue": dialogue(world, split, asked),
    }
