"""`tunegrid fetch`: lists, asks, brings, and says with its exit code what is missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from doubles.fake_hub import FakeHub, serve, sha256
from doubles.inputs import LARGE, with_collection
from tunegrid.cli import main
from tunegrid.cli.commands import sweeps
from tunegrid.config.schema import (
    SourceConfig,
)
from tunegrid.store.inputs import https


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr(https.tenacity.nap.time, "sleep", lambda seconds: None)
    fake = FakeHub()
    running = serve(fake)
    yield fake
    running.shutdown()
    running.server_close()


@pytest.fixture
def sweep(server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of one cell with one collection on the file server, in a project of its own."""
    server.plain["/d/a.json"] = LARGE
    source = SourceConfig(url=f"{server.url}/d", files=["a.json"], sha256=[sha256(LARGE)])
    made = with_collection(source, "inputs/a.json")
    made.model.path = str(tmp_path)
    planned = [SimpleNamespace(cell=SimpleNamespace(config=made))]
    monkeypatch.setattr(
        "tunegrid.launch.sweep_cells.planned_cells", lambda sweep, project, overrides: planned
    )
    monkeypatch.setattr(sweeps, "project_directory", lambda: tmp_path)
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(["fetch", "tiny", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_without_a_terminal_it_lists_and_brings_nothing(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    shown = capsys.readouterr()
    assert "stories" in shown.out
    assert "512.0 kB" in shown.out
    assert "tunegrid fetch tiny --yes" in shown.err
    assert not (sweep / "inputs").exists()


def test_yes_brings_it_and_a_second_time_does_nothing(sweep: Path, server: FakeHub) -> None:
    assert run("--offline-check") == 1
    assert run("--yes") == 0
    assert (sweep / "inputs/a.json").read_bytes() == LARGE
    server.asked.clear()
    assert run("--yes") == 0
    assert run("--offline-check") == 0
    assert server.asked == []


def test_a_wrong_hash_ends_with_1_and_leaves_nothing(
    sweep: Path, server: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    server.damaged["a.json"] = LARGE[::-1]
    assert run("--yes") == 1
    assert "1 inputs could not be brought" in capsys.readouterr().err
    assert list((sweep / "inputs").iterdir()) == []


def test_only_and_json(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--only", "collections", "--offline-check", "--json") == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["input"], row["kind"], row["state"]) == ("stories", "collection", "missing")


@pytest.mark.parametrize(("answer", "expected"), [("y\n", True), ("\n", False), ("", False)])
def test_a_terminal_is_asked(answer: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: answer))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert sweeps._confirmed("tiny") is expected
