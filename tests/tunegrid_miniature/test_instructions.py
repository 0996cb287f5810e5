"""No collection tells what the benchmarks ask."""

from tunegrid_miniature.holdout import Split, tells
from tunegrid_miniature.instructions import build_collections
from tunegrid_miniature.world import Fact, World


def test_no_collection_example_tells_an_asked_fact(
    world: World, split: Split, asked: tuple[Fact, ...]
) -> None:
    told = []
    for name, records in build_collections(world, split, asked).items():
        for record in records:
            text = "\n".join(record.values())
            told += [(name, record["instruction"], fact.key) for fact in asked if tells(text, fact)]
    assert told == []
