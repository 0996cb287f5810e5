"""A process that runs a cell hears the wish to stop, and a second one ends it at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from tunegrid.launch import exits, processes
from tunegrid.launch import stop as stop_module
from tunegrid.launch.stop import StopRequest

PROGRAM = """
import signal, sys, time
from tunegrid.launch.stop import StopRequest
stop = StopRequest()
stop.listen()
assert not stop()
print("listens", flush=True)
while not stop():
    time.sleep(0.01)
print("heard", flush=True)
{then}
"""


def started(then: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(then=then)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listens\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_is_a_wish(number: signal.Signals) -> None:
    process = started("sys.exit(7)")
    process.send_signal(number)
    output, _ = process.communicate()
    assert (output, process.returncode) == ("heard\n", 7)


def test_a_second_signal_ends_it_at_once() -> None:
    process = started("time.sleep(3600)")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "heard\n"
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == exits.INTERRUPTED


@pytest.mark.parametrize("wishes", [0, 1])
def test_a_wish_that_came_before_it_listened_is_kept(
    wishes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    inbox, outbox = Pipe(duplex=False)
    monkeypatch.setattr(stop_module, "_inbox", [inbox])
    for _ in range(wishes):
        outbox.send_bytes(b"stop")
    stop = StopRequest()
    stop.listen()
    assert stop() is bool(wishes)
    outbox.close()


def test_the_second_wish_in_the_pipe_ends_the_process_and_what_it_started() -> None:
    code, message = processes.call(_waits_for_two)
    assert (code, message) == (exits.INTERRUPTED, "last words")


def _waits_for_two(sender: Connection) -> None:
    inbox, outbox = Pipe(duplex=False)
    stop_module.set_inbox(inbox)
    stop = StopRequest()
    stop.before_end = lambda: sender.send("last words")
    stop.listen()
    outbox.send_bytes(b"stop")
    while not stop():
        time.sleep(0.01)
    outbox.send_bytes(b"stop")
    time.sleep(60)


def test_letting_go_of_the_pipe_is_no_wish() -> None:
    assert processes.call(_is_let_go) == (0, "not asked")


def _is_let_go(sender: Connection) -> None:
    inbox, outbox = Pipe(duplex=False)
    stop_module.set_inbox(inbox)
    stop = StopRequest()
    outbox.close()
    stop.listen()
    time.sleep(0.2)
    sender.send("asked" if stop() else "not asked")


def test_an_early_signal_counts_when_something_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_module, "early", [signal.SIGTERM])
    taken: list[int] = []
    with processes.on_signals(taken.append):
        assert taken == [signal.SIGTERM]
    assert stop_module.early == []


def test_nobody_asked_at_the_beginning() -> None:
    assert not StopRequest()()


def _listens(sender: Connection) -> None:
    stop = StopRequest()
    stop.listen()
    sender.send("asked" if stop() else "not asked")


def test_a_child_whose_parent_lives_goes_on() -> None:
    assert processes.call(_listens) == (0, "not asked")
