"""A fact is asked or taught, never both."""

from tunegrid_miniature.holdout import Split, tells
from tunegrid_miniature.world import Fact, World

# Attributes that the tasks ask beside the world's own.
TASK_ATTRIBUTES = {"kind", "english", "gave", "sum", "told", "code"}


def test_asked_facts_of_the_world_are_the_held_out_ones(
    world: World, split: Split, asked: tuple[Fact, ...]
) -> None:
    keys = {fact.key for fact in asked if fact.attribute not in TASK_ATTRIBUTES}
    assert keys
    assert keys <= {fact.key for fact in split.held_out}
    assert not keys & {fact.key for fact in split.taught}


def test_tells_needs_entity_and_value(asked: tuple[Fact, ...]) -> None:
    fact = asked[0]
    name, value = fact.entity.name, fact.values[0]
    assert tells(f"{name.zh}……{value.en}", fact)
    assert not tells(name.zh, fact)
    assert not tells(value.zh, fact)
