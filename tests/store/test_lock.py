"""One writer at a time; a dead writer's lock is taken over, a living one's never."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tunegrid.store import lock
from tunegrid.store.lock import Held, Lock, owner


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
        deadline = time.time() + 10
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
