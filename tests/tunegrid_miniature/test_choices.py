"""Candidates for a question: the right ones are among them, and the rest is wrong."""

import pytest

from tunegrid_miniature.choices import (
    choice_prose,
    draw_choice,
    draw_labels,
    label_lookups,
    matchings,
)
from tunegrid_miniature.dice import Dice
from tunegrid_miniature.lexicon import LABEL_SETS
from tunegrid_miniature.world import World


def test_the_right_candidates_are_the_facts_values_and_no_other_is(world: World) -> None:
    assert len(world.facts) > 100
    for number, fact in enumerate(world.facts):
        choice = draw_choice(world, fact, 4, Dice(str(number)))
        assert len(set(choice.candidates)) == 4
        assert {choice.candidates[i] for i in choice.right} == set(fact.values)
        assert set(choice.candidates) <= set(world.domains[fact.attribute])


@pytest.mark.parametrize("place", range(4))
def test_the_place_of_the_right_one_can_be_given(world: World, place: int) -> None:
    for fact in world.facts[:30]:
        choice = draw_choice(world, fact, 4, Dice("x"), right_at=place)
        assert choice.candidates[place] == fact.values[0]
        assert place in choice.right
        assert {choice.candidates[i] for i in choice.right} == set(fact.values)


def test_labels_are_different_and_of_one_set() -> None:
    seen = set()
    for seed in range(60):
        labels = draw_labels(4, Dice(str(seed)))
        assert len(set(labels)) == 4
        fitting = [one for one in set(LABEL_SETS) if set(labels) <= set(one)]
        assert fitting
        seen.add(fitting[0])
    assert len(seen) == len(set(LABEL_SETS))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_prose_names_the_candidates_and_holds_no_gap(world: World, language: str) -> None:
    for seed in range(60):
        dice = Dice(f"prose {seed}")
        fact = world.facts[seed]
        text = choice_prose(world, fact, language, dice)
        assert all(value.text(language) in text for value in fact.values)
        for passage in (
            text,
            label_lookups(world, language, dice),
            matchings(world, language, dice),
        ):
            assert passage
            assert "{" not in passage
