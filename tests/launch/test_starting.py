"""Which processes are forked and which are started anew, and what signals reach them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection

import pytest
import torch

from tunegrid.launch import exits, processes, starting
from tunegrid.models.bases import gpus


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_has_failed", [])
    monkeypatch.setattr(starting, "shielded", set())
    monkeypatch.setattr(gpus, "DRIVERS", ())


def _says_how(sender: Connection) -> None:
    kind = type(multiprocessing.current_process()).__name__
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    sender.send(f"{kind} {signal.SIGUSR2 in blocked} {starting.forks()}")


def _bad_when_forked(sender: Connection) -> None:
    if type(multiprocessing.current_process()).__name__ != "SpawnProcess":
        sender.close()
        os._exit(exits.BAD_FORK)
    sender.send("began anew")


def test_without_a_driver_children_are_forked() -> None:
    assert processes.call(_says_how) == (0, "ForkServerProcess False True")
    assert starting.context_of_team().get_start_method() == "fork"


def test_beside_a_driver_children_and_what_they_start_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpus, "DRIVERS", ("/nowhere", "/dev/null"))
    assert processes.call(_says_how) == (0, "SpawnProcess False False")
    assert starting.context_of_team().get_start_method() == "spawn"


def test_signals_are_kept_from_children_however_they_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starting.shield(signal.SIGUSR2, signal.SIGTERM)
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    assert processes.call(_says_how) == (0, "SpawnProcess True False")
    assert signal.SIGUSR2 not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_child_that_was_forked_badly_is_started_anew_and_remembered() -> None:
    assert processes.call(_bad_when_forked) == (0, "began anew")
    assert not starting.forks()


def test_nothing_is_forked_once_cuda_is_initialised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert starting.context_of_team().get_start_method() == "spawn"


def test_a_bad_fork_is_what_torch_calls_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not starting.was_forked_badly()
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    assert starting.was_forked_badly()
