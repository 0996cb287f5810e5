"""What a result was made with: read off the machine, without its environment."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from tunegrid.store import provenance


def git(directory: Path, *words: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(directory), *settings, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_commit_and_whether_files_differ_from_it(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert provenance.commit(checkout) == {"revision": head, "changed": False}
    # Files that git does not know are results and notes, no change of the code.
    (checkout / "notes.txt").write_text("mine")
    assert provenance.commit(checkout) == {"revision": head, "changed": False}
    (checkout / "a.txt").write_text("two")
    assert provenance.commit(checkout) == {"revision": head, "changed": True}


def test_without_a_repository_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit(tmp_path) == {"revision": None, "changed": False}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit(tmp_path) == {"revision": None, "changed": False}


def test_versions_are_those_installed() -> None:
    assert provenance.version("torch") == metadata.version("torch")
    assert provenance.version("no-such-package") is None


def test_all_facts_are_json_and_none_is_of_the_environment(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    text = json.dumps(provenance.collect(checkout))
    found = json.loads(text)
    assert set(found) == {"written", "python", "packages", "commit", "hardware"}
    assert found["packages"]["torch"] is not None
    assert found["hardware"]["memory_bytes"] > 2**20
    assert found["hardware"]["processor"]
    assert "sk-secret" not in text
