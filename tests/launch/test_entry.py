"""How a process of a launch begins: its group, its signals, and the wish that waits for it."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection

import pytest

from tunegrid.launch import child, exits, processes, starting
from tunegrid.launch.stop import StopRequest
from tunegrid.models.bases import gpus


@pytest.fixture(autouse=True, params=["forked", "anew"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(starting, "_has_failed", [])
    monkeypatch.setattr(starting, "shielded", set())
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",) if request.param == "anew" else ())
    return request.param


def _says_what_holds(sender: Connection) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    usual = (
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    )
    sender.send((os.getpgrp() == os.getpid(), blocked & set(starting.WHILE_STARTING), usual))


def test_a_process_has_a_group_and_usual_signals_of_its_own() -> None:
    code, said = processes.call(_says_what_holds)
    assert (code, said) == (0, (True, set(), (True, True)))


def _acts(sender: Connection) -> None:
    def action(stop: StopRequest) -> None:
        sender.send("acted")

    child._end(sender, action, "/nowhere")  # type: ignore[arg-type]


def test_a_wish_before_the_process_begins_leaves_nothing_done() -> None:
    one = processes.Child(_acts)
    one.ask()
    while one.code is None:
        processes.wait_for([one], 10)
    # It may have begun before it was asked.
    assert (one.code, one.message) in ((exits.INTERRUPTED, ""), (exits.DONE, "acted"))


def test_asked_twice_it_ends_at_once() -> None:
    one = processes.Child(_waits)
    one.ask()
    one.ask()
    while one.code is None:
        processes.wait_for([one], 10)
    assert one.code in (exits.INTERRUPTED, -signal.SIGTERM)


def _waits(sender: Connection) -> None:
    stop = StopRequest()
    stop.listen()
    signal.pause()
