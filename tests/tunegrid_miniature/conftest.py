"""Shared, built once: the world, its split, and the collections as they are generated."""

from pathlib import Path

import pytest

from tunegrid.config.project import project_directory
from tunegrid_miniature.assets import SEED
from tunegrid_miniature.benchmarks import asked_facts
from tunegrid_miniature.holdout import Split, split_facts
from tunegrid_miniature.world import Fact, World, build_world

ASSETS = project_directory() / "assets" / "miniature"


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
