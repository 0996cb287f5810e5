"""A story answers the questions that are asked about it."""

import pytest

from tunegrid_miniature.dice import Dice
from tunegrid_miniature.stories import (
    PASSAGES,
    STORY_QUESTIONS,
    draw_story,
    passage,
    story_question,
    story_summary,
)
from tunegrid_miniature.world import World

ROLES = ("giver", "taker", "place", "item")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_passage_names_every_role(world: World, language: str) -> None:
    for seed in range(30):
        dice = Dice(f"story {seed}")
        story = draw_story(world, dice)
        assert story.giver != story.taker
        text = passage(story, language, dice)
        assert all(name in text for name in story.roles(language).values())
        assert "{" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_question_does_not_give_its_answer_away(world: World, language: str) -> None:
    assert set(STORY_QUESTIONS[language]) == set(ROLES)
    story = draw_story(world, Dice("one"))
    for role in ROLES:
        answer = story.roles(language)[role]
        for seed in range(10):
            asked = story_question(story, role, language, Dice(str(seed)))
            assert answer not in asked
            assert "{" not in asked


def test_a_summary_leaves_the_place_out(world: World) -> None:
    story = draw_story(world, Dice("one"))
    for language in PASSAGES:
        text, roles = story_summary(story, language), story.roles(language)
        assert roles["place"] not in text
        assert all(roles[role] in text for role in ("giver", "taker", "item"))


def test_the_same_dice_the_same_story(world: World) -> None:
    assert draw_story(world, Dice("a")) == draw_story(world, Dice("a"))
    assert len({draw_story(world, Dice(str(seed))) for seed in range(20)}) > 10
