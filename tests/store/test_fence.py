"""A new holder ends all earlier ones before it writes, and no later one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tunegrid.config.errors import StoreError
from tunegrid.store import fence
from tunegrid.store.fence import Fence


def of(directory: Path, token: str) -> Fence:
    return Fence(directory / ".lock", token)


def established(directory: Path, token: str) -> Fence:
    one = of(directory, token)
    assert one.establish(lambda: True, [])
    return one


def test_the_next_holder_ends_the_last_one(tmp_path: Path) -> None:
    first = established(tmp_path, "first")
    (first.staging / "unfinished").mkdir()
    (first.staging / "unfinished" / "weights").write_text("half")
    assert first.stands()
    second = established(tmp_path, "second")
    assert second.stands()
    assert not first.stands()
    with pytest.raises(FileNotFoundError):
        os.replace(first.staging / "unfinished", tmp_path / "checkpoint")
    # What others make anew for the one that was ended raises it no more.
    first.staging.mkdir()
    assert not first.stands()
    second.take_down()
    first.take_down()
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_passed_over_meanwhile_ends_nobody(tmp_path: Path) -> None:
    """It lists the directory of the one after it as well."""
    later = established(tmp_path, "later")
    late = of(tmp_path, "late")
    assert not late.establish(lambda: False, [])
    assert later.stands()
    assert not late.staging.exists()


def test_one_that_is_ended_while_it_ends_others_does_not_stand(tmp_path: Path) -> None:
    established(tmp_path, "first")
    second = of(tmp_path, "second")

    def then_passed_over() -> bool:
        established(tmp_path, "third")
        return True

    assert not second.establish(then_passed_over, [])


def test_what_an_earlier_holder_has_open_is_no_longer_read(tmp_path: Path) -> None:
    lines = tmp_path / "predictions" / "belle.part.jsonl"
    lines.parent.mkdir()
    lines.write_text("1\n")
    os.utime(lines, (5, 5))
    established(tmp_path, "first")
    with lines.open("a") as late:
        established(tmp_path, "second")
        late.write("2\n")
    assert lines.read_text() == "1\n"
    assert lines.stat().st_mtime == 5


def test_files_stay_as_they_are_where_nobody_has_to_be_ended(tmp_path: Path) -> None:
    lines = tmp_path / "train.jsonl"
    lines.write_text("1\n")
    before = lines.stat().st_ino
    established(tmp_path, "first").take_down()
    established(tmp_path, "second")
    assert lines.stat().st_ino == before
    assert Fence(tmp_path / ".lock", "third", has_lines=False).establish(lambda: True, [])
    assert lines.stat().st_ino == before


def test_a_holder_that_died_while_it_ended_others_is_ended_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = tmp_path / "train.jsonl"
    lines.write_text("1\n")
    established(tmp_path, "first")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space left"):
        of(tmp_path, "second").establish(lambda: True, [])
    monkeypatch.undo()
    with lines.open("a") as late:
        third = established(tmp_path, "third")
        late.write("2\n")
    assert lines.read_text() == "1\n"
    assert set(fence.beside(tmp_path / ".lock")) == {third.staging}


def test_nobody_goes_on_beside_what_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    established(tmp_path, "first")
    monkeypatch.setattr(fence, "ENDING_SECONDS", 0.0)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(StoreError, match=r"writing\.first of an earlier process cannot be removed"):
        of(tmp_path, "second").establish(lambda: True, [])


def test_leftovers_of_one_lock_go_and_of_others_stay(tmp_path: Path) -> None:
    established(tmp_path, "first")
    (tmp_path / ".lock").write_text("")
    (tmp_path / "train.json").write_text("")
    fence.remove_leftovers(tmp_path / ".lock")
    assert [path.name for path in tmp_path.iterdir()] == ["train.json"]
