"""A process that runs a cell hears the wish to stop, and a second one ends it at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from multiprocessing.connection import Connection

import pytest

from tunegrid.launch import exits, processes
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


def test_nobody_asked_at_the_beginning() -> None:
    assert not StopRequest()()


def _listens(sender: Connection) -> None:
    stop = StopRequest()
    stop.listen()
    sender.send("asked" if stop() else "not asked")


def test_a_child_whose_parent_lives_goes_on() -> None:
    assert processes.call(_listens) == (0, "not asked")
