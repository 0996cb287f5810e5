"""One writer at a time; a dead writer's lock is taken over, and one that lost its lock is told."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tunegrid.config.errors import StoreError
from tunegrid.store import lock, process_identity
from tunegrid.store.lock import Held, Lock, LockLost, owner


def hold(path: Path, ready: object) -> None:
    with Lock(path):
        ready.set()  # type: ignore[attr-defined]
        time.sleep(60)


def test_a_second_holder_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with Lock(path), pytest.raises(Held, match="is being written by process"), Lock(path):
        pass
    assert not path.exists()


def test_a_killed_holders_lock_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=hold, args=(path, ready))
    holder.start()
    assert ready.wait(20)
    assert holder.pid is not None
    with pytest.raises(Held), Lock(path):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with Lock(path) as taken:
        assert owner(path)["token"] == taken.token
    assert list(tmp_path.iterdir()) == []


def test_another_machines_lock_lives_by_its_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 0.0, "token": "x"}))
    with pytest.raises(Held), Lock(path):
        pass
    old = time.time() - lock.STALE_AFTER_SECONDS - 5
    os.utime(path, (old, old))
    with Lock(path) as taken:
        assert owner(path)["token"] == taken.token


def test_the_heartbeat_touches_the_lock(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with Lock(path, heartbeat_seconds=0.05):
        os.utime(path, (0, 0))
        deadline = time.time() + 300
        while path.stat().st_mtime < 1 and time.time() < deadline:
            time.sleep(0.02)
        assert path.stat().st_mtime > 1


def test_a_process_number_used_again_is_not_the_holder(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with Lock(path):
        content = owner(path)
    path.write_text(json.dumps(content | {"started": content["started"] - 1000}))
    with Lock(path):
        pass


def of_a_container(path: Path, seconds_ago: float, **changed: object) -> dict[str, object]:
    """Leave the lock of a process of this host in another PID namespace, last heard of then."""
    content = process_identity.this_process() | {"pid_namespace": "pid:[1]", "token": "other"}
    path.write_text(json.dumps(content | changed))
    then = time.time() - seconds_ago
    os.utime(path, (then, then))
    return content


def test_a_lock_names_boot_and_namespace(tmp_path: Path) -> None:
    with Lock(tmp_path / ".lock") as held:
        found = owner(held.path)
    here = process_identity.this_process()
    assert {key: found[key] for key in here} == here
    assert all(here.values())
    assert found["token"] == held.token


def test_a_number_of_another_namespace_is_not_looked_up(tmp_path: Path) -> None:
    """Two containers with one host name: the holder's number is a living process here, too."""
    path = tmp_path / ".lock"
    of_a_container(path, seconds_ago=1)
    with pytest.raises(Held, match=r"another container: pid:\[1\]"), Lock(path):
        pass
    of_a_container(path, seconds_ago=lock.STALE_AFTER_SECONDS + 5)
    with Lock(path) as taken:
        assert owner(path)["token"] == taken.token


def test_a_number_of_another_boot_is_not_looked_up(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    of_a_container(path, 1, boot="before", pid_namespace=process_identity.place()["pid_namespace"])
    with pytest.raises(Held), Lock(path):
        pass


def test_a_dead_holder_may_have_any_token(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    for token in ("a/../../b", "", 7, None):
        of_a_container(path, seconds_ago=1000, token=token)
        with Lock(path) as taken:
            assert owner(path)["token"] == taken.token
        assert list(tmp_path.iterdir()) == []


def test_the_limit_stands_in_the_lock(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    of_a_container(path, seconds_ago=3, stale_after_seconds=2.0)
    with Lock(path):
        pass
    of_a_container(path, seconds_ago=lock.STALE_AFTER_SECONDS + 5, stale_after_seconds=1e6)
    assert lock.is_held(path)


def test_who_lost_the_lock_is_told_who_has_it_and_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with Lock(path, heartbeat_seconds=60) as first:
        first.require()
        of_a_container(path, seconds_ago=0)
        with pytest.raises(LockLost, match=r"process \d+ on .*another container.* holds it now"):
            first.require()
        assert first.is_lost
        # What was another's once stays so.
        path.write_text(json.dumps({"token": first.token}))
        with pytest.raises(LockLost):
            first.require()
        of_a_container(path, seconds_ago=0)
    assert owner(path)["token"] == "other"  # noqa: S105 - of a lock


def test_a_lock_that_is_gone_is_lost(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with Lock(path, heartbeat_seconds=60) as held:
        path.unlink()
        with pytest.raises(LockLost, match="the lock file is gone"):
            held.require()


def test_a_heartbeat_notices_that_the_lock_is_lost(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with Lock(path, heartbeat_seconds=0.05) as held:
        of_a_container(path, seconds_ago=60)
        beat = path.stat().st_mtime
        deadline = time.time() + 300
        while not held.is_lost and time.time() < deadline:
            time.sleep(0.02)
        assert held.is_lost
        # It keeps nobody else's lock alive.
        assert path.stat().st_mtime == beat
        path.unlink()


def test_a_file_server_that_is_away_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lock(tmp_path / ".lock", heartbeat_seconds=60) as held:

        def away(*_: object, **__: object) -> str:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(Path, "read_text", away)
        with pytest.raises(StoreError, match="Input/output error"):
            held.require()
        monkeypatch.undo()
        assert not held.is_lost
        held.require()


def test_a_stopped_holder_finds_that_it_was_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heartbeat is old, and nobody here can look at its process."""
    path = tmp_path / ".lock"
    real = process_identity.place()
    with Lock(path, heartbeat_seconds=60, stale_after_seconds=5) as first:
        os.utime(path, (1, 1))
        elsewhere = real | {"pid_namespace": "pid:[2]"}
        monkeypatch.setattr(process_identity, "place", lambda: elsewhere)
        with Lock(path) as second:
            second.require()
            assert not first.staging.exists()
            with pytest.raises(LockLost):
                first.require()
        monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["utime", "mkdir"])
def test_a_holder_that_was_passed_over_before_it_began_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The next one has taken its lock, and ended it if it had come so far."""
    path = tmp_path / ".lock"
    real = getattr(os, step)

    def late(*arguments: object, **options: object) -> None:
        if path.exists():
            path.unlink()
            raise FileNotFoundError(2, "No such file or directory")
        real(*arguments, **options)

    monkeypatch.setattr(os, step, late)
    with pytest.raises(LockLost), Lock(path):
        pass
    assert list(tmp_path.iterdir()) == []


def compete(path: Path, start: object, done: object, won: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    try:
        with Lock(path):
            won.put(os.getpid())  # type: ignore[attr-defined]
            done.wait()  # type: ignore[attr-defined]
    except Held:
        done.wait()  # type: ignore[attr-defined]


@pytest.mark.parametrize("heirs", [0, 2])
def test_one_of_three_takes_over(tmp_path: Path, heirs: int) -> None:
    """Also where processes died in the middle of taking over."""
    context = multiprocessing.get_context("fork")
    for turn in range(10):
        path = tmp_path / str(turn) / ".lock"
        path.parent.mkdir()
        names = [".lock", ".lock.after.x0", ".lock.after.x1"][: heirs + 1]
        for number, name in enumerate(names):
            dead = process_identity.this_process() | {"pid": 2**22 + 1, "token": f"x{number}"}
            (path.parent / name).write_text(json.dumps(dead))
        start, done, won = context.Barrier(3), context.Barrier(3), context.SimpleQueue()
        all_of_them = [
            context.Process(target=compete, args=(path, start, done, won)) for _ in range(3)
        ]
        for one in all_of_them:
            one.start()
        for one in all_of_them:
            one.join(60)
        assert all(one.exitcode == 0 for one in all_of_them)
        won.get()
        assert won.empty()
        assert list(path.parent.iterdir()) == []


def test_a_dead_claimants_files_are_removed(tmp_path: Path) -> None:
    dead = process_identity.this_process() | {"pid": 2**22 + 1, "token": "x"}
    for name in (".lock.after.gone", ".lock.draft.x"):
        (tmp_path / name).write_text(json.dumps(dead))
    living = tmp_path / ".lock.draft.y"
    living.write_text(json.dumps(process_identity.this_process()))
    with Lock(tmp_path / ".lock"):
        pass
    assert list(tmp_path.iterdir()) == [living]


def test_a_place_without_hard_links_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    lock.check_place(tmp_path)
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreError, match=r"cannot hold locks: .*not supported.*hard links"):
        lock.check_place(tmp_path)
    assert list(tmp_path.iterdir()) == []
