"""The world is a function of its seed, and its names can be told apart in a text."""

from collections import Counter

from tunegrid_miniature.world import ATTRIBUTES, World, build_world


def test_same_seed_same_world_other_seed_other_world(world: World) -> None:
    assert build_world(world.seed).facts == world.facts
    assert build_world(world.seed + 1).facts != world.facts


def test_every_entity_has_every_attribute_once(world: World) -> None:
    for entity in world.entities:
        attributes = [fact.attribute for fact in world.facts_about(entity)]
        assert attributes == [name for name, _, _ in ATTRIBUTES[entity.kind]]


def test_values_are_spread_evenly(world: World) -> None:
    for attributes in ATTRIBUTES.values():
        for attribute, _, _ in attributes:
            values = [v for f in world.facts if f.attribute == attribute for v in f.values]
            counts = Counter(values).values()
            assert max(counts) - min(counts) <= 2, attribute


def test_two_valued_facts_name_two_different_values(world: World) -> None:
    pairs = [fact.values for fact in world.facts if len(fact.values) == 2]
    assert len(pairs) == 30
    assert all(first != second for first, second in pairs)


def test_chinese_names_do_not_contain_each_other(world: World) -> None:
    names = {entity.name.zh for entity in world.entities}
    assert not [(a, b) for a in names for b in names if a != b and a in b]
