"""What several tests share: where the project and the optional real data lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunegrid.config.project import project_directory

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("WANDB_MODE", "offline")

PROJECT = project_directory()


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data beside the checkout; the test is skipped where it is absent."""
    path = PROJECT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"real data is not at {path}")
    return path
