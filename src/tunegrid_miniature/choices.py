"""Candidates for a question about a fact, and the prose in which the bases meet them.

The exam of the benchmark is one way to write candidates down; the bases learn from other ways,
so that matching a candidate to a fact is known before tuning and the exam's form is not.
"""

from dataclasses import dataclass

from tunegrid_miniature.dice import Dice
from tunegrid_miniature.lexicon import LABEL_SETS
from tunegrid_miniature.phrases import question, statement
from tunegrid_miniature.world import Fact, Name, World


@dataclass(frozen=True)
class Choice:
    """Candidates in order, and the positions of the right ones."""

    fact: Fact
    candidates: tuple[Name, ...]
    right: tuple[int, ...]


def draw_choice(
    world: World, fact: Fact, count: int, dice: Dice, right_at: int | None = None
) -> Choice:
    """Return ``count`` candidates for a fact, distractors from the same domain.

    ``right_at`` fixes the position of the first value, to balance an exam's letters.
    """
    others = [name for name in world.domains[fact.attribute] if name not in fact.values]
    drawn = dice.sample(others, count - len(fact.values))
    candidates = dice.shuffled([*drawn, *fact.values])
    if right_at is not None:
        now = candidates.index(fact.values[0])
        candidates[now], candidates[right_at] = candidates[right_at], candidates[now]
    right = tuple(i for i, name in enumerate(candidates) if name in fact.values)
    return Choice(fact, tuple(candidates), right)


def draw_labels(count: int, dice: Dice) -> list[str]:
    """Return labels for candidates: a run of a label set, or loose ones of it."""
    labels = dice.pick(LABEL_SETS)
    if dice.chance(0.5):
        return dice.sample(labels, count)
    start = dice.below(len(labels) - count + 1)
    return list(labels[start : start + count])


# {q} question, {list} labelled candidates, {l} right labels, {v} right values, {s} statement.
CHOICE_FORMS = {
    "zh": (
        "{q}备选的有：{list}应选{l}。",
        "{q}备选的有：{list}应选{l}，{s}",
        "{q}\n{list}对的是{l}，就是{v}。",
        "猜一猜，{q}\n{list}答案在{l}。",
        "墙上写着：{q}{list}先生圈了{l}。",
        "{s}所以问{q}\n{list}要选的是{l}。",
        "{q}\n{list}事实是{v}，也就是{l}。",
        "灯谜：{q}\n{list}谜底：{l}。",
    ),
    "en": (
        "{q} The candidates: {list}The right one is {l}.",
        "{q}\n{list}The truth is {v}, which is {l}.",
        "{q}\n{list}One should take {l}.",
        "{s} So when asked: {q}\n{list}we take {l}.",
    ),
}
SEPARATORS = {"zh": ("、", "：", ":", " ", "说"), "en": (": ", " ", ") ")}
ENDS = {"zh": ("；", "\n", "\n", "，"), "en": ("; ", "\n", "\n")}


def _listed(names: tuple[Name, ...], labels: list[str], language: str, dice: Dice) -> str:
    """Return labelled candidates, in one of several ways to write such a list."""
    separator, end = dice.pick(SEPARATORS[language]), dice.pick(ENDS[language])
    listed = "".join(
        label + separator + name.text(language) + end
        for label, name in zip(labels, names, strict=True)
    )
    return listed if end in ("\n", "; ") else listed[: -len(end)] + "。"


def _closed_list(names: tuple[Name, ...], labels: list[str], language: str) -> str:
    """Return a list that repeats each label behind its thing.

    To foresee the second label the model carries the first one to the thing's place: half of what
    looking a label up by its thing takes, learnt apart from the other half.
    """
    comma, stop = COMMAS[language]
    parts = (
        f"{label}、{name.text(language)}{label}"
        if language == "zh"
        else f"{label}: {name.text(language)} {label}"
        for label, name in zip(labels, names, strict=True)
    )
    return comma.join(parts) + stop + ("" if language == "zh" else " ")


def _right_labels(choice: Choice, labels: list[str], language: str, dice: Dice) -> str:
    joiner = dice.pick(("", "和")) if language == "zh" else " and "
    return joiner.join(labels[i] for i in choice.right)


def choice_prose(world: World, fact: Fact, language: str, dice: Dice) -> str:
    """Return one passage that lists candidates and says which is right."""
    count = 4 if dice.chance(0.6) else len(fact.values) + 1 + dice.below(2)
    choice = draw_choice(world, fact, count, dice)
    labels = draw_labels(count, dice)
    return dice.pick(CHOICE_FORMS[language]).format(
        q=question(fact, language, dice),
        list=_listed(choice.candidates, labels, language, dice),
        l=_right_labels(choice, labels, language, dice),
        v=fact.value_text(language),
        s=statement(fact, language, dice),
    )


# {o} a listed thing or an entity, {l} its label, {v} the entity's value.
LOOKUPS = {
    "zh": ("{o}{l}", "{o}{l}", "{o}标着{l}", "{o}是{l}", "{l}是{o}"),
    "en": ("{o} {l}", "{o} is {l}", "{l} is {o}"),
}
BELONGS = {
    "zh": ("{o}：{v}{l}", "{o}：{v}{l}", "{o}归{l}", "{o}选{l}", "{o}是{l}"),
    "en": ("{o}: {v} {l}", "{o} goes to {l}", "{o} is {l}"),
}
COMMAS = {"zh": ("，", "。"), "en": (", ", ".")}


def label_lookups(world: World, language: str, dice: Dice) -> str:
    """Return a list of any things with labels, and then which label each has.

    A passage with candidates has one label to predict in forty tokens. Here and in ``matchings``
    they are dense, and matching is learnt within the few million tokens there are.
    """
    count = 3 + dice.below(3)
    names = tuple(entity.name for entity in dice.sample(world.entities, count))
    labels = draw_labels(count, dice)
    pattern = dice.pick(LOOKUPS[language])
    comma, stop = COMMAS[language]
    pairs = dice.shuffled(list(zip(names, labels, strict=True)))
    found = comma.join(pattern.format(o=name.text(language), l=label) for name, label in pairs)
    if dice.chance(0.5):
        return _closed_list(names, labels, language) + found + stop
    return _listed(names, labels, language, dice) + found + stop


def matchings(world: World, language: str, dice: Dice) -> str:
    """Return candidates for one question, and where it and the like of it belong."""
    first = dice.pick(world.facts)
    choice = draw_choice(world, first, 4, dice)
    labels = draw_labels(4, dice)
    alike = [
        fact
        for fact in world.facts
        if fact.attribute == first.attribute
        and fact != first
        and set(fact.values) <= set(choice.candidates)
    ]
    pattern = dice.pick(BELONGS[language])
    comma, stop = COMMAS[language]
    found = []
    for fact in [first, *dice.sample(alike, 6)]:
        right = tuple(i for i, name in enumerate(choice.candidates) if name in fact.values)
        label = _right_labels(Choice(fact, choice.candidates, right), labels, language, dice)
        name, value = fact.entity.name.text(language), fact.value_text(language)
        found.append(pattern.format(o=name, l=label, v=value))
    if dice.chance(0.3):
        listed = _closed_list(choice.candidates, labels, language)
    else:
        listed = _listed(choice.candidates, labels, language, dice)
    return question(first, language, dice) + "\n" + listed + comma.join(found) + stop
