"""A base on the hub is known by its commit: from the cache here first, then from the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.store.inputs import hub_commit
from tunegrid.store.inputs.hub_commit import cached_commit, cached_config, commit_of, is_commit

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub_commit._commit_on_hub.cache_clear()
    return tmp_path


def refer(cache: Path, revision: str, commit: str) -> None:
    path = cache / "models--owner--base" / "refs" / revision
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(commit, encoding="utf-8")


def test_a_commit_is_itself_whatever_is_here(cache: Path) -> None:
    assert commit_of("owner/base", COMMIT) == cached_commit("owner/base", COMMIT) == COMMIT
    assert not is_commit("a" * 39)
    assert not is_commit("main")
    assert not is_commit(None)


def test_branches_are_what_the_cache_has_under_their_names(cache: Path) -> None:
    refer(cache, "main", COMMIT)
    refer(cache, "v2", OTHER + "\n")
    assert commit_of("owner/base", None) == commit_of("owner/base", "main") == COMMIT
    assert commit_of("owner/base", "v2") == OTHER
    refer(cache, "main", "not a commit")
    assert cached_commit("owner/base", None) is None


def test_the_hub_is_asked_for_what_the_cache_lacks_and_only_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commit_of("owner/base", None) is None
    asked = []

    class Hub:
        def model_info(self, repository: str, *, revision: str, timeout: float) -> object:
            asked.append((repository, revision))
            return type("Info", (), {"sha": OTHER})()

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    hub_commit._commit_on_hub.cache_clear()
    assert [commit_of("owner/base", None) for _ in range(3)] == [OTHER] * 3
    assert asked == [("owner/base", "main")]
    refer(cache, "main", COMMIT)
    assert commit_of("owner/base", None) == COMMIT
    assert len(asked) == 1


def test_a_hub_that_fails_is_no_error_here(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hub:
        def model_info(self, repository: str, **_: object) -> object:
            raise ConnectionError("away")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    hub_commit._commit_on_hub.cache_clear()
    assert commit_of("owner/base", None) is None


def test_a_directory_is_no_base_of_the_hub(cache: Path, tmp_path: Path) -> None:
    assert cached_config(str(tmp_path / "a" / "b"), None) is None
    assert cached_config("owner/base", None) is None
