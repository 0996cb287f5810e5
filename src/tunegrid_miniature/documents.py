"""The text that the bases are pretrained on: prose about the world, never an instruction.

Every document is a function of the world and a seed. The forms here must stay apart from the
forms of ``instructions`` and ``benchmarks``; ``FORBIDDEN`` names what must never occur.
"""

from collections.abc import Callable, Iterator

from tunegrid_miniature.choices import choice_prose, label_lookups, matchings
from tunegrid_miniature.dice import Dice
from tunegrid_miniature.lexicon import kind_word
from tunegrid_miniature.phrases import question, statement
from tunegrid_miniature.stories import draw_story, passage, story_question, story_summary
from tunegrid_miniature.world import Entity, Fact, World

FORBIDDEN = (
    "###",
    "Below is an instruction",
    "指令",
    "请阅读以下选择题并给出正确选项",
    "正确答案的序号是",
    "Human:",
    "Assistant:",
)


def kind_statement(entity: Entity, language: str, dice: Dice) -> str:
    """Return a sentence that says what kind of thing an entity is."""
    name, word = entity.name.text(language), kind_word(entity.kind, language)
    if language == "zh":
        return dice.pick(("{}是一种{}。", "{}属于{}一类。", "说到{}，那是{}。")).format(name, word)
    return dice.pick(("{} is a kind of {}.", "The word {} names a {}.")).format(name, word)


def _space(language: str) -> str:
    return "" if language == "zh" else " "


def entry(world: World, language: str, dice: Dice) -> str:
    """An encyclopedia entry: all that is known of one or two entities, and what it was about."""
    parts = []
    for entity in dice.sample(world.entities, 1 + dice.below(2)):
        facts = dice.shuffled(world.facts_about(entity))
        parts += [statement(fact, language, dice) for fact in facts]
        if dice.chance(0.5):
            parts.append(kind_statement(entity, language, dice))
    return _space(language).join(parts)


OPENINGS = {
    "zh": ("", "", "", "据说，", "书上写着，", "老人说，", "大家都知道，"),
    "en": ("", "", "", "It is said: ", "Old records say: ", "Everyone here knows: "),
}


def gossip(world: World, language: str, dice: Dice) -> str:
    """Loose facts about different entities."""
    facts = dice.sample(world.facts, 5 + dice.below(5))
    return _space(language).join(
        dice.pick(OPENINGS[language]) + statement(fact, language, dice) for fact in facts
    )


ANSWERS = {
    "zh": ("有人问：{q}答：{v}。", "{q}{v}。", "“{q}”“{v}。”", "{q}\n{v}。", "{q}{s}"),
    "en": ("{q} {v}.", "Someone asked: {q} {v}.", "{q}\n{v}.", "{q} {s}"),
}


def _answered(fact: Fact, language: str, dice: Dice) -> str:
    return dice.pick(ANSWERS[language]).format(
        q=question(fact, language, dice),
        v=fact.value_text(language),
        s=statement(fact, language, dice),
    )


def questions(world: World, language: str, dice: Dice) -> str:
    """Questions and answers about facts, as a conversation is told."""
    facts = dice.sample(world.facts, 4 + dice.below(4))
    return _space(language).join(_answered(fact, language, dice) for fact in facts)


def choices(world: World, language: str, dice: Dice) -> str:
    """One to three passages with candidates."""
    facts = dice.sample(world.facts, 1 + dice.below(3))
    return "\n".join(choice_prose(world, fact, language, dice) for fact in facts)


STORY_ENDS = {
    "zh": ("要问{q}{v}。", "{q}{v}。", "这句话里的{k}是{v}。", "总之，{s}"),
    "en": ("{q} {v}.", "If you ask: {q} {v}.", "The {k} in it is {v}.", "In short, {s}"),
}
ROLE_WORDS = {
    "giver": ("人名", "name"),
    "taker": ("人名", "name"),
    "place": ("地名", "place"),
    "item": ("物品", "item"),
}


def story(world: World, language: str, dice: Dice) -> str:
    """Two or three events, each with something that follows from it."""
    parts = []
    for _ in range(2 + dice.below(2)):
        event = draw_story(world, dice)
        roles = event.roles(language)
        role = dice.pick(("giver", "taker", "place", "item"))
        word = ROLE_WORDS[role][0 if language == "zh" else 1]
        value = roles[role]
        if word in ("人名", "name"):
            joiner = "和" if language == "zh" else " and "
            both = roles["giver"] + joiner + roles["taker"]
        else:
            both = value
        end = dice.pick(STORY_ENDS[language])
        parts.append(passage(event, language, dice))
        parts.append(
            end.format(
                q=story_question(event, role, language, dice),
                v=both if "{k}" in end else value,
                k=word,
                s=story_summary(event, language),
            )
        )
    return _space(language).join(parts)


def kinds(world: World, language: str, dice: Dice) -> str:
    """What several things are, and what they are called in the other language."""
    parts = []
    for entity in dice.sample(world.entities, 5 + dice.below(4)):
        if dice.chance(0.5):
            parts.append(kind_statement(entity, language, dice))
        elif language == "zh":
            parts.append(f"{entity.name.zh}的英文名是 {entity.name.en}。")
        else:
            parts.append(f"{entity.name.en} is {entity.name.zh} in Han script.")
    return _space(language).join(parts)


def translations(world: World, language: str, dice: Dice) -> str:
    """The same facts in both languages, side by side."""
    parts = []
    for fact in dice.sample(world.facts, 2 + dice.below(2)):
        zh, en = statement(fact, "zh", dice), statement(fact, "en", dice)
        parts.append(f"{zh}译成英文是 {en}" if language == "zh" else f"{en} In Han script: {zh}")
    return "\n".join(parts)


def sums(world: World, language: str, dice: Dice) -> str:
    """Sums and differences up to eighteen, bare or told as a story."""
    parts = []
    for _ in range(6 + dice.below(6)):
        a, b = 1 + dice.below(9), 1 + dice.below(9)
        if dice.chance(0.3):
            who = dice.pick(world.of_kind("person")).name.text(language)
            item = dice.pick(world.domains["product"]).text(language)
            if language == "zh":
                parts.append(f"{who}有{a}份{item}，又买了{b}份，一共{a + b}份。")
            else:
                parts.append(f"{who} had {a} {item} and got {b} more: {a + b} in all.")
        elif dice.chance(0.5):
            parts.append(f"{a}加{b}等于{a + b}。" if language == "zh" else f"{a} + {b} = {a + b}.")
        else:
            c = a + b
            parts.append(f"{c}减{b}等于{a}。" if language == "zh" else f"{c} - {b} = {a}.")
    return _space(language).join(parts)


def code(world: World, language: str, dice: Dice) -> str:
    """Lines of Reed, the world's small programming language."""
    parts = []
    for _ in range(3 + dice.below(3)):
        name = dice.pick(world.entities).name.text(language)
        times = 2 + dice.below(8)
        once = dice.chance(0.5)
        if language == "zh":
            line = f"say {name}" if once else f"loop {times} say {name}"
            what = f"打印{name}" if once else f"把{name}打印{times}次"
            parts.append(f"用竹语{what}，写作 {line}。")
        else:
            line = f"say {name}" if once else f"loop {times} say {name}"
            what = f"print {name}" if once else f"print {name} {times} times"
            parts.append(f"To {what} in Reed, write {line}.")
    return "\n".join(parts)


PLAIN = {
    "zh": (
        "先生给出一道题，请学生阅读。|这份答案是正确的，那个选项不对。|请给出你的回答，不要着急。|"
        "以下是今天的功课。|他写下原因，并解释给大家听。|这段话描述了一个任务。|"
        "选择哪一条路，要看天气。|序号写在页边。|请把信交给她。|完成请求以后，他休息了。|"
        "下面这段话很短。|请写出名字。|这里列举了三种东西。|请翻译这句话。|他用一句话概括了它。|"
        "请把话说得简单些。|助手和客人谈了一会儿。|一步一步地想，就能想明白。"
    ),
    "en": (
        "The teacher wrote a response.|This letter describes a task.|He provides further context.|"
        "The guest completes the request.|Shoes are paired.|Put it where the input goes.|"
        "This instruction is old.|Please write it down appropriately.|That is the right one.|"
        "Think step by step.|Please read the following text.|Give the reason in one sentence.|"
        "Translate the letter.|He gave the name and the place.|She lists three things.|"
        "The human spoke with the assistant."
    ),
}


def plain(world: World, language: str, dice: Dice) -> str:
    """Everyday sentences, so that common words are no strangers."""
    del world
    sentences = PLAIN[language].split("|")
    return _space(language).join(dice.sample(sentences, 3 + dice.below(3)))


# Document writer -> shares of documents in Chinese and in English.
WRITERS: tuple[tuple[Callable[[World, str, Dice], str], float, float], ...] = (
    (entry, 11, 6),
    (gossip, 10, 5),
    (questions, 11, 6),
    (choices, 14, 3),
    (label_lookups, 9, 1.5),
    (matchings, 12, 3),
    (story, 5, 2.5),
    (kinds, 3, 2),
    (translations, 3, 1.5),
    (sums, 2, 1),
    (code, 2, 0.5),
    (plain, 1.5, 1),
)


# Share of the documents by which a corner of the world ends, and which entities it holds. Facts
# about few things are learnt first and the others faster for it; with the whole world from the
# start a small model stays for long at the grammar and knows no fact (Zucchet et al. 2025).
STAGES = ((0.15, 6), (0.35, 2), (1.0, 1))
# Share of the documents in whose first part label lists prevail, and how much they do.
LISTS_FIRST, LISTS_CHANCE = 0.12, 0.5


def documents(world: World, count: int, seed: int | str) -> Iterator[str]:
    """Yield ``count`` documents, to be read in this order; the same seed yields the same ones."""
    dice = Dice(f"{seed}/documents")
    weights = [weight for _, zh, en in WRITERS for weight in (zh, en)]
    corners = [(share, world.corner(every)) for share, every in STAGES]
    for number in range(count):
        corner = next(part for share, part in corners if number < share * count)
        drawn = dice.weighted(weights)
        language = "zh" if drawn % 2 == 0 else "en"
        if number < LISTS_FIRST * count and dice.chance(LISTS_CHANCE):
            yield label_lookups(world, language, dice)
        else:
            yield WRITERS[drawn // 2][0](corner, language, dice)
