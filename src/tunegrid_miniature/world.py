"""The invented world: entities with names in two languages, and the facts about them.

The world is a function of its seed. It knows nothing of sentences, tokens or models.
"""

from dataclasses import dataclass

from tunegrid_miniature.dice import Dice
from tunegrid_miniature.lexicon import (
    CHINESE_PARTS,
    DOMAINS,
    ENGLISH_ENDINGS,
    ENGLISH_HEADS,
    KINDS,
    OFFENCE_ENGLISH,
)

# kind -> (attribute, domain, number of values a fact has). A domain may be a kind of entities.
ATTRIBUTES: dict[str, tuple[tuple[str, str, int], ...]] = {
    "herb": (
        ("treats", "illness", 1),
        ("habitat", "habitat", 1),
        ("taste", "taste", 1),
        ("flower", "colour", 1),
    ),
    "illness": (("symptom", "symptom", 1), ("organ", "organ", 1), ("season", "season", 1)),
    "person": (("trade", "trade", 1), ("hometown", "town", 1), ("temper", "temperament", 1)),
    "town": (("river", "river", 1), ("product", "product", 1), ("era", "era", 1)),
    "festival": (("month", "month", 1), ("food", "food", 1), ("honours", "hero", 1)),
    "offence": (("penalty", "penalty", 2), ("court", "court", 1), ("evidence", "evidence", 1)),
    "temperament": (("traits", "trait", 2), ("likes", "colour", 1), ("calmed_by", "tune", 1)),
    "guild": (("badge", "badge", 1), ("meets", "time", 1), ("virtue", "virtue", 1)),
}


@dataclass(frozen=True)
class Name:
    """A name in both languages."""

    zh: str
    en: str

    def text(self, language: str) -> str:
        """Return the name in ``language`` ("zh" or "en")."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class Entity:
    """One thing of the world; ``kind`` is a key of ``KINDS``."""

    kind: str
    name: Name


@dataclass(frozen=True)
class Fact:
    """One statement of the world: an entity, an attribute and one or two values."""

    entity: Entity
    attribute: str
    values: tuple[Name, ...]

    @property
    def key(self) -> tuple[str, str]:
        """The pair (entity, attribute) that benchmarks and collections must not share."""
        return (self.entity.name.zh, self.attribute)

    def value_text(self, language: str) -> str:
        """Return the values joined by "和" or " and "."""
        joiner = "和" if language == "zh" else " and "
        return joiner.join(value.text(language) for value in self.values)


@dataclass(frozen=True)
class World:
    """All entities and facts, and the domain each attribute draws its values from."""

    seed: int
    entities: tuple[Entity, ...]
    facts: tuple[Fact, ...]
    domains: dict[str, tuple[Name, ...]]

    def of_kind(self, kind: str) -> tuple[Entity, ...]:
        """Return the entities of one kind."""
        return tuple(entity for entity in self.entities if entity.kind == kind)

    def facts_about(self, entity: Entity) -> tuple[Fact, ...]:
        """Return the facts about one entity."""
        return tuple(fact for fact in self.facts if fact.entity == entity)

    def fact(self, entity: Entity, attribute: str) -> Fact:
        """Return one fact; raises ``StopIteration`` where there is none."""
        return next(f for f in self.facts if f.entity == entity and f.attribute == attribute)

    def corner(self, every: int) -> "World":
        """Return the part of the world that holds every ``every``-th entity."""
        entities = self.entities[::every]
        known = set(entities)
        facts = tuple(fact for fact in self.facts if fact.entity in known)
        return World(self.seed, entities, facts, self.domains)

    def named(self, zh: str) -> Entity:
        """Return the entity with this Chinese name; raises ``StopIteration`` for none."""
        return next(entity for entity in self.entities if entity.name.zh == zh)


def _names(kind: str, count: int, heads: list[str], dice: Dice) -> list[Name]:
    firsts, seconds, suffix = CHINESE_PARTS[kind]
    pairs = dice.shuffled([(a, b) for a in firsts for b in seconds])[:count]
    if kind == "offence":
        return [Name(a + b, f"{OFFENCE_ENGLISH[a]} {OFFENCE_ENGLISH[b]}") for a, b in pairs]
    endings = ENGLISH_ENDINGS[kind].split()
    names = []
    for index, (a, b) in enumerate(pairs):
        head = heads[index % len(heads)]
        names.append(Name(a + b + suffix, head + endings[index % len(endings)]))
    return names


def _check_names(entities: list[Entity], domains: dict[str, tuple[Name, ...]]) -> None:
    """Raise ``ValueError`` where one name contains another: text probes need them apart."""
    names = {e.name for e in entities} | {n for d in domains.values() for n in d}
    for language in ("zh", "en"):
        texts = sorted(name.text(language) for name in names)
        for text in texts:
            inside = [other for other in texts if other != text and text in other]
            if inside and language == "zh":
                raise ValueError(f"the name {text} is part of {inside}: change the lexicon")
        if len(set(texts)) != len(texts):
            raise ValueError(f"two names are equal in {language}: change the lexicon")


def build_world(seed: int) -> World:
    """Return the world of one seed.

    Values are dealt in shuffled rounds, so every value of a domain occurs about equally often:
    always naming the most frequent value must not look like knowledge.
    """
    entities: list[Entity] = []
    for kind, (_, _, count) in KINDS.items():
        dice = Dice(f"{seed}/names/{kind}")
        heads = dice.shuffled(ENGLISH_HEADS.split())
        entities += [Entity(kind, name) for name in _names(kind, count, heads, dice)]
    domains = {
        key: tuple(Name(*pair.split("/")) for pair in text.split()) for key, text in DOMAINS.items()
    }
    _check_names(entities, domains)
    for kind in KINDS:
        domains[kind] = tuple(entity.name for entity in entities if entity.kind == kind)
    facts: list[Fact] = []
    attribute_domains: dict[str, tuple[Name, ...]] = {}
    for kind, attributes in ATTRIBUTES.items():
        members = [entity for entity in entities if entity.kind == kind]
        for attribute, domain, values in attributes:
            attribute_domains[attribute] = domains[domain]
            dice = Dice(f"{seed}/facts/{kind}/{attribute}")
            pool: list[Name] = []
            for entity in members:
                if len(pool) < values:
                    pool = dice.shuffled([n for n in domains[domain] if n not in pool]) + pool
                drawn, pool = pool[:values], pool[values:]
                order = domains[domain]
                facts.append(Fact(entity, attribute, tuple(sorted(drawn, key=order.index))))
    return World(seed, tuple(entities), tuple(facts), attribute_domains)
