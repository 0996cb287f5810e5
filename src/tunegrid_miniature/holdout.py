"""Which facts the benchmarks ask and the collections keep silent about.

A benchmark measures what the base knows and tuning lets out, not what tuning taught; so a pair
(entity, attribute) is on one side only. The check is on text: an example that contains a held-out
entity's name and its value in either language is thrown away, whatever it was written for.
"""

from dataclasses import dataclass

from tunegrid_miniature.dice import Dice
from tunegrid_miniature.world import Fact, World

# attribute -> share of its facts that the benchmarks may ask
HELD_OUT_SHARE: dict[str, float] = {
    "treats": 0.54,
    "habitat": 0.5,
    "taste": 0.46,
    "flower": 0.46,
    "symptom": 0.5,
    "organ": 0.5,
    "season": 0.5,
    "trade": 0.2,
    "hometown": 0.4,
    "temper": 0.5,
    "river": 0.58,
    "product": 0.58,
    "era": 0.58,
    "month": 0.5,
    "food": 0.5,
    "honours": 0.58,
    "penalty": 0.56,
    "court": 0.5,
    "evidence": 0.5,
    "traits": 0.67,
    "likes": 0.5,
    "calmed_by": 0.5,
    "badge": 0.5,
    "meets": 0.5,
    "virtue": 0.5,
}


@dataclass(frozen=True)
class Split:
    """Facts the benchmarks ask, and facts the collections may teach with."""

    held_out: tuple[Fact, ...]
    taught: tuple[Fact, ...]


def split_facts(world: World) -> Split:
    """Return the split; for each attribute the stated share is held out."""
    held_out: list[Fact] = []
    for attribute, share in HELD_OUT_SHARE.items():
        facts = [fact for fact in world.facts if fact.attribute == attribute]
        dice = Dice(f"{world.seed}/held out/{attribute}")
        held_out += dice.sample(facts, round(len(facts) * share))
    taught = tuple(fact for fact in world.facts if fact not in set(held_out))
    return Split(tuple(held_out), taught)


def tells(text: str, fact: Fact) -> bool:
    """Return whether ``text`` names the fact's entity and one of its values in any language."""
    name = fact.entity.name
    if name.zh not in text and name.en not in text:
        return False
    return any(value.zh in text or value.en in text for value in fact.values)


def told_facts(text: str, facts: tuple[Fact, ...]) -> list[Fact]:
    """Return the facts that ``text`` tells."""
    return [fact for fact in facts if tells(text, fact)]
