"""A process that is started ahead takes the next task, and leaves nothing when there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from tunegrid.config.schema import CellConfig, RuntimeConfig
from tunegrid.launch import child, preload, processes, resources, runner, starting, stop
from tunegrid.launch.processes import Child, Spare
from tunegrid.models.bases import gpus

CONFIG = CellConfig(runtime=RuntimeConfig())


@pytest.fixture(autouse=True)
def beside_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    monkeypatch.setattr(starting, "_has_failed", [])


def _says_where(sender: Connection, word: str) -> None:
    has_imported = all(name in sys.modules for name in preload.AHEAD)
    sender.send((word, os.getpid(), has_imported, os.environ.get(resources.VISIBLE)))


def ended(one: Child) -> int:
    while one.code is None:
        processes.wait_for([one], 60)
    return one.code


def test_a_spare_takes_the_next_task_with_its_gpus_set() -> None:
    spare = Spare(CONFIG, 1, 2, ("7",))
    one = Child(_says_where, "task", spare=spare)
    assert ended(one) == 0
    assert one.message == ("task", spare.process.pid, True, "7")  # type: ignore[comparison-overlap]


def test_a_spare_that_died_is_replaced() -> None:
    spare = Spare(CONFIG, 0, 1)
    spare.process.kill()
    spare.process.join()
    one = Child(_says_where, "task", spare=spare)
    assert ended(one) == 0
    assert one.message[1] != spare.process.pid


def test_a_task_that_is_asked_to_stop_hears_it_in_a_spare() -> None:
    one = Child(_waits, spare=Spare(CONFIG, 0, 1))
    one.ask()
    assert ended(one) == 0
    assert one.message == "heard"


def _waits(sender: Connection) -> None:
    from tunegrid.launch.stop import StopRequest

    stop = StopRequest()
    stop.listen()
    while not stop():
        time.sleep(0.01)
    sender.send("heard")


def test_a_spare_that_nobody_needs_ends() -> None:
    spare = Spare(CONFIG, 0, 1)
    spare.end()
    assert spare.process.exitcode == -signal.SIGKILL


def test_spares_end_without_a_trace_when_the_launch_is_killed(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from tunegrid.config.schema import CellConfig\n"
        "from tunegrid.launch.processes import Spare\n"
        "from tunegrid.models.bases import gpus\n"
        "gpus.DRIVERS = ('/dev/null',)\n"
        "spares = [Spare(CellConfig(), 0, 1), Spare(CellConfig(), 0, 1)]\n"
        "print(*(one.process.pid for one in spares), flush=True)\n"
        "time.sleep(60)\n"
    )
    launch = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert launch.stdout is not None
    spares = [psutil.Process(int(pid)) for pid in launch.stdout.readline().split()]
    assert len(spares) == 2
    launch.kill()
    assert psutil.wait_procs(spares, timeout=60)[1] == []
    assert launch.communicate()[1] == ""


def test_only_where_processes_are_started_anew_there_are_spares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert runner.starts_ahead()
    monkeypatch.setattr(gpus, "DRIVERS", ())
    assert not runner.starts_ahead()


def _ends_nevertheless(sender: Connection) -> None:
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(0.5)


def test_a_wish_that_a_child_did_not_obey_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of a sweep was about to end: the cells behind it are not started."""
    monkeypatch.setattr(stop, "early", [])
    assert processes.call(_ends_nevertheless) == (0, "")
    assert stop.early == [signal.SIGTERM]
    monkeypatch.setattr(child, "check_architectures", lambda *_: None)
    monkeypatch.setattr(processes, "call", lambda *_, **__: (0, ""))
    with pytest.raises(KeyboardInterrupt):
        processes.check_architectures([None])  # type: ignore[list-item]
