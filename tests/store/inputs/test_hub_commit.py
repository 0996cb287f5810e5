"""Branches become commits: from the cache first, then from the hub, asked once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from doubles.fake_hub import COMMIT, FakeHub
from tunegrid.store.inputs import hub_commit
from tunegrid.store.inputs.hub_commit import cached_commit, commit_of, is_commit

OTHER = "0" * 40


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    """What the hub said is kept for the life of a process."""
    hub_commit._commit_on_hub.cache_clear()
    yield
    hub_commit._commit_on_hub.cache_clear()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def known(cache: Path, revision: str, text: str) -> None:
    path = cache / "models--owner--tiny" / "refs" / revision
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("revision", [None, "main", COMMIT[:7], COMMIT.upper(), COMMIT + "0"])
def test_what_may_move_is_no_commit(revision: str | None) -> None:
    assert not is_commit(revision)


def test_a_commit_is_itself_whatever_is_here(cache: Path) -> None:
    assert is_commit(OTHER)
    assert commit_of("owner/tiny", OTHER) == cached_commit("owner/tiny", OTHER) == OTHER


def test_the_cache_counts_before_the_hub(cache: Path, reached: FakeHub) -> None:
    """A study goes on with the base it began with."""
    reached.repositories["models/owner/tiny"] = {"config.json": b"{}"}
    # `reached` has an empty cache of its own.
    known(Path(constants.HF_HUB_CACHE), "main", OTHER + "\n")
    assert commit_of("owner/tiny", None) == commit_of("owner/tiny", "main") == OTHER
    assert reached.asked == []


def test_the_hub_is_asked_once_for_what_the_cache_lacks(reached: FakeHub) -> None:
    reached.repositories["models/owner/tiny"] = {"config.json": b"{}"}
    assert cached_commit("owner/tiny", None) is None
    assert commit_of("owner/tiny", None) == COMMIT
    asked = len(reached.asked)
    assert asked > 0
    assert commit_of("owner/tiny", "main") == COMMIT
    assert len(reached.asked) == asked


def test_without_network_and_cache_nobody_knows(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert commit_of("owner/tiny", None) is None


def test_a_repository_that_is_not_there_has_no_commit(reached: FakeHub) -> None:
    assert commit_of("owner/absent", None) is None


@pytest.mark.parametrize("text", ["", "main", "<html>", COMMIT[:39]])
def test_a_damaged_entry_of_the_cache_says_nothing(cache: Path, text: str) -> None:
    known(cache, "main", text)
    assert cached_commit("owner/tiny", None) is None
