"""Reading what a run directory says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunegrid.cells import run_content
from tunegrid.cells.run_content import read_if_there
from tunegrid.config.errors import StoreError
from tunegrid.store import run_files
from tunegrid.store.lock import Lock


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_is_not_there_is_nothing_and_what_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_if_there(path) is None
    assert run_content.json_object(path, read_if_there) is None
    put(path, "{")
    with pytest.raises(StoreError, match=r"a\.json"):
        read_if_there(path)
    put(path, "[]")
    with pytest.raises(StoreError, match=r"a.json holds no JSON object. Remove the file"):
        run_content.json_object(path, read_if_there)


def test_a_lock_has_a_holder_or_is_dead(tmp_path: Path) -> None:
    path = tmp_path / run_files.LOCK
    with Lock(path):
        files = run_content.read_files(tmp_path, read_if_there)
        assert (bool(files.holder), files.has_dead_lock) == (True, False)
    files = run_content.read_files(tmp_path, read_if_there)
    assert (bool(files.holder), files.has_dead_lock) == (False, False)
    put(path, "nobody")
    assert run_content.read_files(tmp_path, read_if_there).has_dead_lock


@pytest.mark.parametrize(
    ("cell", "results", "asked"),
    [
        ({"asked": ["a"]}, {"scores": ["b"]}, ["a"]),
        ({}, {"scores": ["b"]}, ["b"]),
        ({}, None, None),
        ({"asked": []}, None, []),
    ],
)
def test_what_the_last_command_asked(
    tmp_path: Path, cell: object, results: object, asked: list[str] | None
) -> None:
    put(tmp_path / run_files.CELL, json.dumps(cell))
    if results is not None:
        put(tmp_path / run_files.RESULTS, json.dumps(results))
    assert run_content.last_asked(run_content.read_files(tmp_path, read_if_there)) == asked


def test_answers_and_checkpoints_are_listed_and_not_opened(tmp_path: Path) -> None:
    assert run_content.answered(tmp_path) == frozenset()
    assert run_content.steps_done(tmp_path) == 0
    put(tmp_path / run_files.PREDICTIONS / "a-1.part.jsonl", "no JSON").chmod(0)
    put(tmp_path / run_files.PREDICTIONS / "b-1.jsonl", "no JSON").chmod(0)
    assert run_content.answered(tmp_path) == {"a-1", "b-1"}
    for step in (3, 12):
        (tmp_path / run_files.CHECKPOINTS / f"checkpoint-{step}").mkdir(parents=True)
    assert run_content.steps_done(tmp_path) == 12
