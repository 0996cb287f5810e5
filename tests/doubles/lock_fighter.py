"""A process that fights for a lock and, once it has it, writes its token everywhere.

Arguments: the directory, a seed, the seconds between two heartbeats, the seconds of silence that
cost the lock, and a name of a PID namespace to pretend to be in (empty: the real one).

It says on standard output what it does, one line each: `held` and `lost` with a token, `broken`
with what it saw of another writer, and `stop`, right before a step that others see: whoever
started it may stop it there for as long as it likes, or end it, and answers `go` on standard input.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunegrid.store import process_identity
from tunegrid.store.lock import Held, Lock, LockLost
from tunegrid.store.run_directory import RunDirectory
from tunegrid.training.checkpoints import Checkpoints

STOPS = 0.02
"""The share of visible steps before which it asks to be stopped."""
STEPS = ("replace", "rename", "link", "write", "truncate", "unlink")


def say(*words: object) -> None:
    print(*words, flush=True)


def stopped_at_times(step: Callable[..., Any], chance: random.Random) -> Callable[..., Any]:
    """Return a system call before which this process asks to be stopped now and then."""

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if chance.random() < STOPS:
            say("stop")
            sys.stdin.readline()
        return step(*arguments, **options)

    return wrapped


def pretend(namespace: str) -> None:
    real = process_identity.place
    process_identity.place = lambda: {**real(), "pid_namespace": namespace}


def write_everything(run: RunDirectory, lock: Lock) -> None:
    """Append, publish files and directories; say so if another writer's token is in between."""
    token = lock.token
    for number in range(3):
        run.append_line("log.jsonl", {"token": token, "number": number})
        run.write(f"published/{token}-{number}.json", {"token": token})
    run.write("current.json", {"token": token})
    with run.replaced_directory("adapter") as directory:
        (directory / "token").write_text(token)
    checkpoints = Checkpoints(run.checkpoints, lock)
    checkpoints.clear_unfinished()
    step = max(checkpoints.steps(), default=0) + 1
    written = checkpoints.unfinished / f"checkpoint-{step}"
    written.mkdir(parents=True)
    (written / "token").write_text(token)
    checkpoints.publish(step)
    found = {
        "current.json": run.read("current.json")["token"],
        "adapter": (run.adapter / "token").read_text(),
        "checkpoint": (checkpoints.path(step) / "token").read_text(),
        "last step": max(checkpoints.steps()) == step,
    }
    # Only what was read while the lock was held says anything.
    lock.require()
    wrong = {name: value for name, value in found.items() if value not in (token, True)}
    if wrong:
        say("broken", token, wrong)
    if random.random() < 0.3:  # noqa: S311 - guards nothing
        run.remove("current.json")


def main() -> None:
    directory, seed = Path(sys.argv[1]), int(sys.argv[2])
    heartbeat, limit, namespace = float(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
    if namespace:
        pretend(namespace)
    chance = random.Random(seed)  # noqa: S311 - guards nothing
    for name in STEPS:
        setattr(os, name, stopped_at_times(getattr(os, name), chance))
    run = RunDirectory(directory)
    while True:
        lock = Lock(directory / ".lock", heartbeat, limit)
        try:
            with run.locked(lock):
                say("held", lock.token)
                write_everything(run, lock)
        except LockLost:
            say("lost", lock.token)
        except Held:
            time.sleep(chance.uniform(0.0, 0.05))
        run = RunDirectory(directory)


if __name__ == "__main__":
    main()
