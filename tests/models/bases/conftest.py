"""Both tiny bases on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from doubles import tiny_bases


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("bases")
    for kind in tiny_bases.KINDS:
        tiny_bases.save(kind, root)
    return root


@pytest.fixture
def root(source, tmp_path) -> Path:
    """A copy of the bases that a test may damage."""
    return Path(shutil.copytree(source, tmp_path / "bases"))
