"""Three processes fight for a lock, stopped and killed at the worst moments: one writes at a time.

Each write carries its writer's token. A writer that lost the lock may be anywhere in between its
last question and its next step; the checkers read everything that was written and look for one
that wrote after a later one had.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tunegrid.config.project import project_directory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PROGRAM = project_directory() / "tests" / "doubles" / "lock_fighter.py"
HEARTBEAT_SECONDS, LIMIT_SECONDS = 0.1, 0.5
FIGHTERS = 3
KILLED = 0.3
"""The share of stops that a fighter does not survive."""
PATIENCE_SECONDS = 3000.0
UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child",
           "--mount-proc"]  # fmt: skip


class Fighter:
    """A process that fights, is stopped or killed when it says that it may be, and comes back."""

    def __init__(self, fight: Fight, number: int, prefix: list[str], namespace: str) -> None:
        self.fight = fight
        self.prefix = prefix
        self.namespace = namespace
        self.chance = random.Random(number)  # noqa: S311 - repeatable, guards nothing
        self.starts = number * 1000
        self.thread = threading.Thread(target=self.live)

    def start(self) -> subprocess.Popen[str]:
        self.starts += 1
        limits = [str(HEARTBEAT_SECONDS), str(LIMIT_SECONDS)]
        return subprocess.Popen(
            [*self.prefix, sys.executable, str(PROGRAM), str(self.fight.directory),
             str(self.starts), *limits, self.namespace],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.fight.errors, text=True,
        )  # fmt: skip

    def live(self) -> None:
        while not self.fight.over.is_set():
            process = self.start()
            assert process.stdin is not None
            assert process.stdout is not None
            for line in process.stdout:
                word, *rest = line.split(maxsplit=1)
                self.fight.heard(word, " ".join(rest))
                if self.fight.over.is_set():
                    signalled(process, signal.SIGKILL)
                elif word == "stop" and self.chance.random() < KILLED:
                    signalled(process, signal.SIGKILL)
                    self.fight.heard("killed", "")
                elif word == "stop":
                    signalled(process, signal.SIGSTOP)
                    time.sleep(self.chance.uniform(0.1, 3.0) * LIMIT_SECONDS)
                    signalled(process, signal.SIGCONT)
                    with contextlib.suppress(BrokenPipeError):
                        process.stdin.write("go\n")
                        process.stdin.flush()
            process.wait()


def signalled(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to the fighter, which `unshare` may have started in its namespace."""
    with contextlib.suppress(psutil.NoSuchProcess):
        outer = psutil.Process(process.pid)
        for one in outer.children() or [outer]:
            one.send_signal(number)


class Fight:
    """Three fighters, until the lock has changed hands often enough."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.over = threading.Event()
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []
        self.errors = (directory.parent / "errors").open("w")
        self.guard = threading.Lock()

    def heard(self, word: str, rest: str) -> None:
        with self.guard:
            self.counts[word] += 1
            if word == "broken":
                self.broken.append(rest)

    def until(self, holds: int, fighters: list[Fighter]) -> None:
        for one in fighters:
            one.thread.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.counts["held"] < holds and time.monotonic() < deadline:
            time.sleep(0.05)
        self.over.set()
        for one in fighters:
            one.thread.join(600)
        self.errors.close()
        said = (self.directory.parent / "errors").read_text()
        assert "Traceback" not in said, said
        assert self.counts["held"] >= holds, self.counts

    def check(self) -> None:
        """Assert that no writer wrote after a later one had."""
        assert self.broken == []
        lines = (self.directory / "log.jsonl").read_bytes().split(b"\n")
        # The last one may have been cut off by the end of the fight.
        records = [json.loads(line) for line in lines[:-1]]
        numbers: dict[str, list[int]] = {}
        for record in records:
            numbers.setdefault(record["token"], []).append(record["number"])
        changes = 1 + sum(a["token"] != b["token"] for a, b in pairwise(records))
        assert changes == len(numbers), "a writer appended after a later one had"
        assert numbers
        assert all(found == list(range(len(found))) for found in numbers.values())
        appended = {token: order for order, token in enumerate(numbers)}

        # A rename stamps the file, so that these are the moments at which they became visible.
        stamps: dict[str, list[int]] = {}
        for path in (self.directory / "published").glob("*.json"):
            token = json.loads(path.read_text())["token"]
            stamps.setdefault(token, []).append(path.stat().st_ctime_ns)
        spans = sorted((min(found), max(found), token) for token, found in stamps.items())
        for (_, last, _), (first, _, token) in pairwise(spans):
            assert last <= first, f"a writer published after {token} had"
        clear = [(a[2], b[2]) for a, b in pairwise(spans) if a[1] < b[0]]
        assert all(appended[a] < appended[b] for a, b in clear)
        assert len(clear) > len(spans) / 2


def seen(fight: Fight) -> str:
    return f"{dict(fight.counts)}"


def test_three_processes_that_cannot_look_at_each_other(tmp_path: Path) -> None:
    """As in three containers: the heartbeat alone says who lives, and a stopped one loses."""
    fight = Fight(tmp_path / "run")
    fight.until(200, [Fighter(fight, n, [], f"pid:[{n}]") for n in range(FIGHTERS)])
    fight.check()
    # It was a fight: locks were lost to others, and holders died.
    assert fight.counts["lost"] >= 10, seen(fight)
    assert fight.counts["killed"] >= 10, seen(fight)


def test_three_processes_of_one_namespace(tmp_path: Path) -> None:
    """A stopped one is seen to live and keeps the lock; only the dead are passed over."""
    fight = Fight(tmp_path / "run")
    fight.until(60, [Fighter(fight, 10 + n, [], "") for n in range(FIGHTERS)])
    fight.check()
    assert fight.counts["killed"] >= 2, seen(fight)
    assert fight.counts["lost"] == 0, seen(fight)


def test_processes_of_several_namespaces_have_the_same_number(tmp_path: Path) -> None:
    """One of the machine itself, two that each are process 1 of a namespace with one host name."""
    refused = cannot_unshare()
    if refused:
        pytest.skip(f"PID namespaces cannot be made here: {refused}")
    fight = Fight(tmp_path / "run")
    prefixes: list[list[str]] = [[], UNSHARE, UNSHARE]
    fight.until(60, [Fighter(fight, 20 + n, prefix, "") for n, prefix in enumerate(prefixes)])
    fight.check()
    assert fight.counts["lost"] >= 1, seen(fight)


def cannot_unshare() -> str:
    """Return why this machine gives no PID namespaces; empty where it does."""
    if shutil.which("unshare") is None:
        return "there is no `unshare`"
    done = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""
