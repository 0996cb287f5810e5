"""Run directories: whole files or none, and nothing lost when a write fails."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunegrid.config.errors import Stopped, StoreError
from tunegrid.store import lock, run_directory, run_files
from tunegrid.store.lock import Lock, LockLost
from tunegrid.store.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "runs" / "cell")
    directory.create()
    return directory


def test_a_written_file_is_read_back(run: RunDirectory) -> None:
    run.write("a.json", {"名": [1, 2.5, None]})
    assert run.read("a.json") == {"名": [1, 2.5, None]}
    assert not list(run.path.glob("*.tmp"))


def test_a_failed_write_leaves_the_old_file(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write("a.json", {"value": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left.*Earlier files are intact"):
        run.write("a.json", {"value": 2})
    monkeypatch.undo()
    assert run.read("a.json") == {"value": 1}


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/runs.*runtime\.results="):
        RunDirectory(tmp_path / "file" / "runs").create()


def test_a_line_cut_off_by_a_kill_is_left_out(run: RunDirectory) -> None:
    run.append_line("curve.jsonl", {"step": 1})
    with (run.path / "curve.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.read_lines("curve.jsonl") == [{"step": 1}]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\r"])
def test_a_record_may_hold_any_line_separator(run: RunDirectory, mark: str) -> None:
    """A model may write them; JSON leaves most of them as they are."""
    run.write_lines("answers.jsonl", [{"text": f"a{mark}b"}, {"text": "c"}])
    assert run.read_lines("answers.jsonl") == [{"text": f"a{mark}b"}, {"text": "c"}]


def test_a_broken_line_before_the_last_is_refused(run: RunDirectory) -> None:
    (run.path / "curve.jsonl").write_text('{"step": 1\n{"step": 2}\n')
    with pytest.raises(StoreError, match="line 1 is no JSON"):
        run.read_lines("curve.jsonl")


def test_records_behind_a_checkpoint_are_dropped(run: RunDirectory) -> None:
    run.write_lines("curve.jsonl", [{"step": step} for step in range(1, 6)])
    run.drop_lines_after("curve.jsonl", "step", 3)
    assert [record["step"] for record in run.read_lines("curve.jsonl")] == [1, 2, 3]


def test_a_directory_is_replaced_as_a_whole(run: RunDirectory) -> None:
    with run.replaced_directory("adapter") as directory:
        (directory / "weights").write_text("old")

    def fail_half_way() -> None:
        with run.replaced_directory("adapter") as directory:
            (directory / "weights").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    # The old one stays until the new one is whole.
    assert (run.adapter / "weights").read_text() == "old"
    with run.replaced_directory("adapter") as directory:
        (directory / "weights").write_text("new")
    assert (run.path / "adapter" / "weights").read_text() == "new"
    assert [path.name for path in run.path.iterdir()] == ["adapter"]


def test_an_adapter_is_on_the_disk_before_the_file_that_says_so(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after train.json must find every byte of the adapter."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        done.append("disk " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def noted_replace(source: Path, final: Path) -> None:
        done.append(f"name {Path(final).name}")
        replace(source, final)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    with run.replaced_directory("adapter") as directory:
        (directory / "part").mkdir()
        (directory / "part" / "weights").write_text("w")
        (directory / "config").write_text("c")
    run.write("train.json", {})
    named = done.index("name adapter")
    assert set(done[:named]) == {"disk weights", "disk config", "disk part", "disk adapter.tmp"}
    assert done[named + 1 :] == [
        "disk cell", f"disk train.json.{os.getpid()}.tmp", "name train.json", "disk cell"
    ]  # fmt: skip


def test_a_disk_that_fails_keeps_an_adapter_from_its_name(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    def write() -> None:
        with run.replaced_directory("adapter") as directory:
            (directory / "weights").write_text("w")
            monkeypatch.setattr(os, "fsync", broken)

    with pytest.raises(StoreError, match="Input/output error"):
        write()
    assert not run.has("adapter")


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (b'{"n": 1}\n{"n": 2, "te', [1, 9]),
        ('{"n": 1}\n{"t": "中'.encode()[:-1], [1, 9]),
        (b'{"n": 1}\n{"n": 2}', [1, 2, 9]),
        (b'{"n": 1}', [1, 9]),
        (b'{"n', [9]),
        (b"", [9]),
        (b'{"n": 1}\n' + b'{"t": "' + b"x" * 200_000, [1, 9]),
        (b'{"n": 1}\n' + b'{"n": 2, "t": "' + b"x" * 200_000 + b'"}', [1, 2, 9]),
    ],
    ids=["cut", "in a character", "whole", "only", "only cut", "empty", "long cut", "long whole"],
)
def test_a_last_line_that_was_cut_off_is_repaired(
    run: RunDirectory, there: bytes, expected: list[int]
) -> None:
    (run.path / "curve.jsonl").write_bytes(there)
    # Readers leave it out before it is repaired.
    assert [record["n"] for record in run.read_lines("curve.jsonl")] == expected[:-1]
    run.append_line("curve.jsonl", {"n": 9})
    assert [record["n"] for record in run.read_lines("curve.jsonl")] == expected
    assert (run.path / "curve.jsonl").read_bytes().endswith(b'\n{"n": 9}\n'[not expected[:-1] :])


@pytest.fixture
def passed_over(run: RunDirectory) -> Iterator[RunDirectory]:
    """A run whose writer wrote, was passed over, and does not know it yet."""
    with run.locked(Lock(run.path / run_files.LOCK, 60, stale_after_seconds=5)):
        run.write("a.json", "first")
        run.append_line("curve.jsonl", {"by": "first"})
        with run.replaced_directory("adapter") as directory:
            (directory / "weights").write_text("first")
        yield run


def pass_over(run: RunDirectory) -> None:
    """Take the lock as a process does to which the holder's heartbeat says nothing any more."""
    path = run.path / run_files.LOCK
    path.write_text(json.dumps(lock.owner(path) | {"pid_namespace": "another"}))
    os.utime(path, (1, 1))
    # It writes what it finds once more, and ends.
    with Lock(path):
        pass


def replace_adapter(run: RunDirectory) -> None:
    with run.replaced_directory("adapter") as directory:
        (directory / "weights").write_text("late")


WRITES = {
    "write": lambda run: run.write("a.json", "late"),
    "write_lines": lambda run: run.write_lines("curve.jsonl", ["late"]),
    "append_line": lambda run: run.append_line("curve.jsonl", {"by": "late"}),
    "append_line to a new file": lambda run: run.append_line("new.jsonl", {"by": "late"}),
    "drop_lines_after": lambda run: run.drop_lines_after("curve.jsonl", "by", "a"),
    "remove": lambda run: run.remove("a.json"),
    "remove a directory": lambda run: run.remove("adapter"),
    "replaced_directory": replace_adapter,
}


def content(run: RunDirectory) -> dict[str, bytes]:
    files = [path for path in run.path.rglob("*") if path.is_file()]
    return {str(path.relative_to(run.path)): path.read_bytes() for path in files}


@pytest.mark.parametrize("way", WRITES)
def test_who_lost_the_lock_writes_nothing(passed_over: RunDirectory, way: str) -> None:
    pass_over(passed_over)
    before = content(passed_over)
    with pytest.raises(LockLost):
        WRITES[way](passed_over)
    assert content(passed_over) == before


QUESTIONS = {"remove": 1, "remove a directory": 1, "replaced_directory": 3}
"""How often a way to write asks whether the lock is still held, where that is not twice."""


@pytest.mark.parametrize(
    ("way", "last"), [(way, n + 1) for way in WRITES for n in range(QUESTIONS.get(way, 2))]
)
def test_who_was_stopped_between_the_question_and_the_step_writes_nothing(
    passed_over: RunDirectory, way: str, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is its own when it asks for the first, second, third time; then it passes on."""
    run = passed_over
    assert run.lock is not None
    ask = run.lock.require
    asked: list[None] = []

    def late() -> None:
        ask()
        asked.append(None)
        if len(asked) == last:
            pass_over(run)
            before.update(content(run))

    before: dict[str, bytes] = {}
    monkeypatch.setattr(run.lock, "require", late)
    with contextlib.suppress(StoreError):
        WRITES[way](run)
    monkeypatch.undo()
    assert len(asked) >= last
    # A file of lines that was just made, and has none, means nothing.
    before.setdefault("new.jsonl", b"")
    assert {"new.jsonl": b"", **content(run)} == before
    with pytest.raises(LockLost):
        run.lock.require()


def test_an_error_of_one_who_lost_the_lock_is_that(run: RunDirectory) -> None:
    def work(error: Exception) -> None:
        with run.locked(Lock(run.path / run_files.LOCK, heartbeat_seconds=60)):
            pass_over(run)
            raise error

    for error in (Stopped(), FileNotFoundError("staging"), StoreError("cannot write")):
        with pytest.raises(LockLost) as raised:
            work(error)
        assert raised.value.__cause__ is error
        with pytest.raises(LockLost):
            run.write("failed.json", {})
        assert not run.has("failed.json")
        run = RunDirectory(run.path)


def test_an_error_of_one_who_holds_the_lock_stays_as_it_is(run: RunDirectory) -> None:
    with pytest.raises(RuntimeError), run.locked():
        raise RuntimeError
    run.write("a.json", 1)
    assert [path.name for path in run.path.iterdir()] == ["a.json"]


def test_what_a_killed_writer_left_is_no_run_of_the_next(run: RunDirectory) -> None:
    """Half of an adapter lies in the dead one's directory, which goes."""
    left = run.path / f"{run_files.LOCK}.writing.dead" / "adapter.tmp"
    left.mkdir(parents=True)
    (left / "weights").write_text("half")
    with run.locked():
        run.append_line("curve.jsonl", {"step": 1})
    assert [path.name for path in run.path.iterdir()] == ["curve.jsonl"]


def test_finished_runs_are_those_with_a_cell(tmp_path: Path, run: RunDirectory) -> None:
    assert run_directory.finished_runs(tmp_path) == []
    run.write(run_files.CELL, {})
    assert [r.path for r in run_directory.finished_runs(tmp_path)] == [run.path]


@pytest.mark.parametrize("name", ["../x.json", "scores/../../x.json", "/x.json", "..", "."])
def test_nothing_is_written_outside_of_the_run(tmp_path: Path, name: str) -> None:
    run = RunDirectory(tmp_path / "runs" / "run")
    run.create()
    (tmp_path / "runs" / "x.json").write_text("kept", encoding="utf-8")
    for write in (
        lambda: run.write(name, 1),
        lambda: run.write_lines(name, [1]),
        lambda: run.append_line(name, 1),
        lambda: run.remove(name),
        lambda: run.replaced_directory(name).__enter__(),
    ):
        with pytest.raises(StoreError, match="outside"):
            write()
    assert (tmp_path / "runs" / "x.json").read_text(encoding="utf-8") == "kept"
    run.write("scores/..x.json", 1)
    assert run.read("scores/..x.json") == 1
