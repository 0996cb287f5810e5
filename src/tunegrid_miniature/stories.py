"""Small events between people, and questions that the passage itself answers.

They are no facts of the world: who met whom is drawn anew each time, so an answer can only come
from the passage. Closed questions, extraction and summaries are made of them.
"""

from dataclasses import dataclass

from tunegrid_miniature.dice import Dice
from tunegrid_miniature.world import Entity, Name, World


@dataclass(frozen=True)
class Story:
    """One event: ``giver`` bought ``item`` in ``place`` and gave it to ``taker``."""

    giver: Entity
    taker: Entity
    place: Entity
    item: Name

    def roles(self, language: str) -> dict[str, str]:
        """Return the names of the four roles in one language."""
        return {
            "giver": self.giver.name.text(language),
            "taker": self.taker.name.text(language),
            "place": self.place.name.text(language),
            "item": self.item.text(language),
        }


def draw_story(world: World, dice: Dice) -> Story:
    """Return a story with two different people, a town and a product."""
    giver, taker = dice.sample(world.of_kind("person"), 2)
    return Story(
        giver, taker, dice.pick(world.of_kind("town")), dice.pick(world.domains["product"])
    )


PASSAGES = {
    "zh": (
        "{giver}到{place}买了{item}，送给了{taker}。",
        "今天{giver}去了{place}，买到{item}，回来送给{taker}。",
        "{taker}收到了{giver}送的{item}，这是在{place}买的。",
    ),
    "en": (
        "{giver} went to {place}, bought {item} and gave it to {taker}.",
        "Today {giver} was in {place} and bought {item} for {taker}.",
        "{taker} got {item} from {giver}, who had bought it in {place}.",
    ),
}
# role asked for -> questions
STORY_QUESTIONS = {
    "zh": {
        "giver": ("是谁买的{item}？", "谁送了礼物？"),
        "taker": ("谁收到了{item}？", "礼物送给了谁？"),
        "place": ("{item}是在哪里买的？", "{giver}去了哪里？"),
        "item": ("{giver}买了什么？", "{taker}收到了什么？"),
    },
    "en": {
        "giver": ("Who bought the {item}?", "Who gave the present?"),
        "taker": ("Who got the {item}?", "Whom was the present for?"),
        "place": ("Where was the {item} bought?", "Where did {giver} go?"),
        "item": ("What did {giver} buy?", "What did {taker} get?"),
    },
}
STORY_SUMMARIES = {"zh": "{giver}送给{taker}{item}。", "en": "{giver} gave {taker} {item}."}


def passage(story: Story, language: str, dice: Dice) -> str:
    """Return the story as a sentence."""
    return dice.pick(PASSAGES[language]).format(**story.roles(language))


def story_question(story: Story, role: str, language: str, dice: Dice) -> str:
    """Return a question after one role of the story."""
    return dice.pick(STORY_QUESTIONS[language][role]).format(**story.roles(language))


def story_summary(story: Story, language: str) -> str:
    """Return the story in a few words."""
    return STORY_SUMMARIES[language].format(**story.roles(language))
