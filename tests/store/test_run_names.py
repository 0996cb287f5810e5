"""A run is found by its hash."""

from __future__ import annotations

import os
from pathlib import Path

from tunegrid.store.run_names import run_with_hash


def test_found_whatever_its_words(tmp_path: Path) -> None:
    assert run_with_hash(tmp_path / "none", "abc", "x-abc") is None
    (tmp_path / "base-lora-abc").mkdir()
    (tmp_path / "file-abc").write_text("no run")
    assert run_with_hash(tmp_path, "abc", "other-words-abc") == "base-lora-abc"
    assert run_with_hash(tmp_path, "bc", "x-bc") is None
    assert run_with_hash(tmp_path, "def", "x-def") is None


def test_the_preferred_name_counts_first_then_the_first_by_name(tmp_path: Path) -> None:
    for name in ("b-abc", "a-abc"):
        (tmp_path / name).mkdir()
    assert run_with_hash(tmp_path, "abc", "b-abc") == "b-abc"
    assert run_with_hash(tmp_path, "abc", "c-abc") == "a-abc"


def test_a_directory_that_has_changed_is_listed_again(tmp_path: Path) -> None:
    assert run_with_hash(tmp_path, "abc", "x-abc") is None
    (tmp_path / "late-abc").mkdir()
    # A file system may count time in steps of milliseconds.
    os.utime(tmp_path, (1, 1))
    assert run_with_hash(tmp_path, "abc", "x-abc") == "late-abc"
