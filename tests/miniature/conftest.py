"""Shared, built once: the world, its split, and the collections as they are generated."""

from pathlib import Path

import pytest

from tunegrid.miniature.assets import SEED
from tunegrid.miniature.benchmarks import asked_facts
from tunegrid.miniature.holdout import Split, split_facts
from tunegrid.miniature.world import Fact, World, build_world

ASSETS = Path(__file__).parents[2] / "assets" / "miniature"


@pytest.fixture(scope="session")
def assets() -> Path:
    return ASSETS


@pytest.fixture(scope="session")
def world() -> World:
    return build_world(SEED)


@pytest.fixture(scope="session")
def split(world: World) -> Split:
    return split_facts(world)


@pytest.fixture(scope="session")
def asked(world: World, split: Split) -> tuple[Fact, ...]:
    return asked_facts(world, split)
