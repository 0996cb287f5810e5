"""Runs are found by their hash, whatever words stand before it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunegrid.store.run_names import run_with_hash


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("old-words-0a1b", "other-2c3d"):
        (tmp_path / name).mkdir()
    (tmp_path / "file-0a1b").write_text("no directory")
    return tmp_path


def test_other_words_are_the_same_run(runs: Path) -> None:
    assert run_with_hash(runs, "0a1b", "new-words-0a1b") == "old-words-0a1b"


def test_the_preferred_name_counts_where_it_is_there(runs: Path) -> None:
    (runs / "new-words-0a1b").mkdir()
    assert run_with_hash(runs, "0a1b", "new-words-0a1b") == "new-words-0a1b"
    # Without it, the first by name, so that everybody finds the same.
    (runs / "also-0a1b").mkdir()
    assert run_with_hash(runs, "0a1b", "absent-0a1b") == "also-0a1b"


def test_a_part_of_a_hash_is_none(runs: Path) -> None:
    assert run_with_hash(runs, "a1b", "x-a1b") is None
    assert run_with_hash(runs / "absent", "0a1b", "x-0a1b") is None


def test_a_directory_is_listed_again_once_it_has_changed(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Path] = []
    whole = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or whole(path))
    for _ in range(3):
        assert run_with_hash(runs, "ffff", "x-ffff") is None
    assert len(listed) == 1
    (runs / "new-ffff").mkdir()
    # Another time than the first listing saw, also where the clock is coarse.
    os.utime(runs, (1, 1))
    assert run_with_hash(runs, "ffff", "x-ffff") == "new-ffff"
    assert len(listed) == 2
