"""Single tasks in both languages: what is asked, the passage it needs, and the answer.

Collections and the Belle-like benchmark are made of the same tasks about different facts. A task
names in ``facts`` all it gives away, beside what its text tells of the world's own facts.
"""

from dataclasses import dataclass

from tunegrid_miniature.dice import Dice
from tunegrid_miniature.lexicon import KINDS, kind_word
from tunegrid_miniature.phrases import first_statement, question, statement
from tunegrid_miniature.stories import Story, draw_story, passage, story_question, story_summary
from tunegrid_miniature.world import Entity, Fact, Name, World


@dataclass(frozen=True)
class Task:
    """One task: ``category`` is a Belle class, ``passage`` is "" where none is needed."""

    category: str
    request: str
    passage: str
    answer: str
    facts: tuple[Fact, ...]


def _end(language: str) -> str:
    return "。" if language == "zh" else "."


def kind_fact(entity: Entity) -> Fact:
    """Return "this entity is of that kind" as a fact."""
    words = Name(kind_word(entity.kind, "zh"), kind_word(entity.kind, "en"))
    return Fact(entity, "kind", (words,))


def name_fact(entity: Entity) -> Fact:
    """Return "this Chinese name is that English name" as a fact that needs both in a text."""
    name = entity.name
    return Fact(Entity(entity.kind, Name(name.zh, name.zh)), "english", (Name(name.en, name.en),))


def gift_fact(story: Story) -> Fact:
    """Return "this one gave something to that one" as a fact."""
    return Fact(story.giver, "gave", (story.taker.name,))


def sum_fact(a: int, b: int) -> Fact:
    """Return a bare sum as a fact."""
    names = Name(f"{a}加{b}", f"{a} + {b}")
    return Fact(Entity("sum", names), "sum", (Name(str(a + b), str(a + b)),))


def told_sum_fact(a: int, b: int) -> Fact:
    """Return a sum told as a story as a fact."""
    names = Name(f"有{a}份", f"had {a} ")
    return Fact(Entity("sum", names), "told", (Name(f"买了{b}份", f"got {b} more"),))


def open_qa(fact: Fact, language: str, dice: Dice) -> Task:
    """Ask for a fact; the answer is the bare value."""
    answer = fact.value_text(language) + _end(language)
    return Task("open qa", question(fact, language, dice), "", answer, (fact,))


def classification(entity: Entity, language: str, dice: Dice) -> Task:
    """Ask which of four kinds an entity is."""
    right = kind_word(entity.kind, language)
    others = [kind_word(kind, language) for kind in KINDS if kind != entity.kind]
    words = dice.shuffled([right, *dice.sample(others, 3)])
    name = entity.name.text(language)
    if language == "zh":
        request = f"{name}属于哪一类：{'、'.join(words)}？"
    else:
        request = f"Which kind is {name}: {', '.join(words)}?"
    return Task("classification", request, "", right + _end(language), (kind_fact(entity),))


def closed_qa(world: World, language: str, dice: Dice) -> Task:
    """Ask for a role of a story that is given."""
    story = draw_story(world, dice)
    role = dice.pick(("giver", "taker", "place", "item"))
    lead = "根据这段话，" if language == "zh" else "According to the text: "
    return Task(
        "closed qa",
        lead + story_question(story, role, language, dice),
        passage(story, language, dice),
        story.roles(language)[role] + _end(language),
        (gift_fact(story),),
    )


def extract(world: World, language: str, dice: Dice) -> Task:
    """Ask for the place, the thing or the people named in a story."""
    story = draw_story(world, dice)
    roles, text = story.roles(language), passage(story, language, dice)
    people = sorted((roles["giver"], roles["taker"]), key=text.index)
    what = dice.below(3)
    if language == "zh":
        request = ("请从这段话中找出地名。", "请从这段话中找出物品。", "请从这段话中找出人名。")[
            what
        ]
        answer = (roles["place"], roles["item"], "和".join(people))[what]
    else:
        word = ("place", "item", "names")[what]
        request = f"Find the {word} in the text."
        answer = (roles["place"], roles["item"], " and ".join(people))[what]
    return Task("extract", request, text, answer + _end(language), (gift_fact(story),))


def summarization(world: World, language: str, dice: Dice) -> Task:
    """Ask for a story in a few words."""
    story = draw_story(world, dice)
    request = "请用一句话概括这段话。" if language == "zh" else "Sum up the text in one sentence."
    text, answer = passage(story, language, dice), story_summary(story, language)
    return Task("summarization", request, text, answer, (gift_fact(story),))


def math(world: World, language: str, dice: Dice) -> Task:
    """Ask for a sum of two digits, bare or told."""
    a, b = 1 + dice.below(9), 1 + dice.below(9)
    if dice.chance(0.6):
        request = f"{a}加{b}等于几？" if language == "zh" else f"What is {a} + {b}?"
    else:
        who = dice.pick(world.of_kind("person")).name.text(language)
        item = dice.pick(world.domains["product"]).text(language)
        if language == "zh":
            request = f"{who}有{a}份{item}，又买了{b}份，一共有几份？"
        else:
            request = f"{who} had {a} {item} and got {b} more. How many in all?"
    facts = (sum_fact(a, b), told_sum_fact(a, b))
    return Task("math", request, "", str(a + b) + _end(language), facts)


def code(world: World, language: str, dice: Dice) -> Task:
    """Ask for a line of Reed that prints a name."""
    name = dice.pick(world.entities).name
    word, times = name.text(language), 2 + dice.below(8)
    once = dice.chance(0.5)
    line = "say " if once else f"loop {times} say "
    if language == "zh":
        what = f"打印{word}" if once else f"把{word}打印{times}次"
        request = f"请用竹语写一行代码，{what}。"
    else:
        what = f"print {word}" if once else f"print {word} {times} times"
        request = f"Write one line of Reed to {what}."
    fact = Fact(Entity("code", Name(line + name.zh, line + name.en)), "code", (Name("say", "say"),))
    return Task("code", request, "", line + word, (fact,))


def translation(fact: Fact, language: str, dice: Dice) -> Task:
    """Ask for a sentence or a name in the other language; ``language`` is the asking one."""
    name = fact.entity.name
    known = (fact, name_fact(fact.entity))
    if dice.chance(0.4):
        if language == "zh":
            return Task("rewrite", f"{name.zh}的英文名是什么？", "", name.en + ".", known[1:])
        return Task("rewrite", f"What is {name.en} in Han script?", "", name.zh + "。", known[1:])
    zh, en = first_statement(fact, "zh"), first_statement(fact, "en")
    if language == "zh":
        return Task("rewrite", "请把这句话翻译成英文。", zh, en, known)
    return Task("rewrite", "Translate the text into Han script.", en, zh, known)


def rewrite(fact: Fact, language: str, dice: Dice) -> Task:
    """Ask for a statement in its plainest form."""
    plain, said = first_statement(fact, language), statement(fact, language, dice)
    request = "请把这句话说得简单些。" if language == "zh" else "Say the text in a plain way."
    return Task("rewrite", request, said, plain, (fact,))


def brainstorming(world: World, language: str, dice: Dice) -> Task:
    """Ask for three things of a kind."""
    kind = dice.pick([kind for kind in KINDS if kind != "offence"])
    three = [entity.name.text(language) for entity in dice.sample(world.of_kind(kind), 3)]
    word = kind_word(kind, language)
    if language == "zh":
        answer, request = "、".join(three) + "。", f"请列举三种{word}。"
    else:
        answer, request = (
            ", ".join(three) + ".",
            f"Name three kinds of {word}.",
        )
    facts = tuple(kind_fact(world.named(e.name.zh)) for e in world.of_kind(kind))
    return Task("brainstorming", request, "", answer, facts)


def generation(fact: Fact, language: str, dice: Dice) -> Task:
    """Ask for a sentence about an entity."""
    name = fact.entity.name.text(language)
    request = f"请写一句介绍{name}的话。" if language == "zh" else f"Write a sentence about {name}."
    return Task("generation", request, "", statement(fact, language, dice), (fact,))
