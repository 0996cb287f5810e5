"""A process is named so that no other one is taken for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tunegrid.store import process_identity
from tunegrid.store.process_identity import is_running, this_process


def test_this_process_runs() -> None:
    assert is_running(this_process()) is True


def test_a_number_that_nobody_has_does_not_run() -> None:
    assert is_running(this_process() | {"pid": 2**22 + 1}) is False


def test_a_number_used_again_is_another_process() -> None:
    me = this_process()
    assert is_running(me | {"started": me["started"] - 100}) is False


def test_a_process_that_ended_and_was_not_waited_for_does_not_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    named = this_process() | {"pid": child.pid}
    named["started"] = process_identity._start(child.pid)
    assert is_running(named) is True
    child.kill()
    while process_identity._start(child.pid) is not None:
        pass
    assert is_running(named) is False
    child.communicate()


@pytest.mark.parametrize("key", process_identity.PLACE)
def test_elsewhere_a_number_says_nothing(key: str) -> None:
    assert is_running(this_process() | {key: "another"}) is None
    without = this_process()
    del without[key]
    assert is_running(without) is None


def test_a_place_that_cannot_be_told_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /proc shows the processes of another namespace."""
    unknown = process_identity.place() | {"pid_namespace": ""}
    monkeypatch.setattr(process_identity, "place", lambda: unknown)
    assert is_running(this_process()) is None


@pytest.mark.parametrize("wrong", [{"pid": None}, {"pid": "x"}, {"started": None}])
def test_a_name_without_a_number_says_nothing(wrong: dict[str, object]) -> None:
    assert is_running(this_process() | wrong) is None
