"""Facts that take seconds to find out are found out once, in another process, and kept.

Owns: `results/.plan/`, one file a fact, and the process. Knows nothing of what the facts are.
Never imports torch itself: what needs it runs in a process of its own, and a plan whose facts are
all kept starts none.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunegrid.cells.libraries import quieten_imports
from tunegrid.config.errors import StoreError, TunegridError
from tunegrid.config.fingerprint import canonical_json, text_sha256
from tunegrid.config.project import put_on_module_path
from tunegrid.store import json_files

DIRECTORY = ".plan"
REFUSED = "refused"
"""The key of a fact that says why there is none."""

Fact = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One fact to find out: `function(*arguments)` returns it as a JSON-able dict."""

    kind: str
    depends_on: Any
    """All that the fact depends on, with a stable form."""
    function: Callable[..., Fact]
    arguments: tuple[Any, ...]
    name: str = field(init=False)

    def __post_init__(self) -> None:
        digest = text_sha256(canonical_json(self.depends_on))[:24]
        object.__setattr__(self, "name", f"{self.kind}-{digest}")


def facts(jobs: Iterable[Job], results: Path) -> dict[str, Fact]:
    """Return the facts of jobs by the jobs' names; each different one is found out once.

    A fact with the key `refused` says why there is none.

    Args:
        jobs: in any order, with repetitions.
        results: the results directory, under which facts are kept.
    """
    directory = results / DIRECTORY
    found: dict[str, Fact] = {}
    waiting: dict[str, Job] = {}
    for job in jobs:
        if job.name in found or job.name in waiting:
            continue
        kept = _read(directory / f"{job.name}.json")
        if kept is None:
            waiting[job.name] = job
        else:
            found[job.name] = kept
    for name, fact in _found_out(list(waiting.values())).items():
        found[name] = fact
        if not fact.pop("passing", False):
            _write(directory / f"{name}.json", fact)
    return found


def _found_out(jobs: list[Job]) -> dict[str, Fact]:
    if not jobs:
        return {}
    # Not forked: the parent may have threads. Not the server of the cells, which imports more.
    context = multiprocessing.get_context("spawn")
    put_on_module_path()
    # One process: importing torch takes longer than counting, and a second one would import it too.
    with ProcessPoolExecutor(1, mp_context=context, initializer=_quieten) as pool:
        try:
            futures = {job.name: pool.submit(_run, job) for job in jobs}
            return {name: future.result() for name, future in futures.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run(job: Job) -> Fact:
    """Return the fact of a job, or why there is none; runs in a process of its own."""
    try:
        return job.function(*job.arguments)
    except TunegridError as error:
        return {REFUSED: str(error)}
    except Exception as error:
        # An error that nobody foresaw may pass, so it is not kept.
        return {REFUSED: f"{type(error).__name__}: {error}", "passing": True}


def _quieten() -> None:
    """Make a process of the pool silent and offline; Ctrl-C is the parent's to handle."""
    import warnings

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    quieten_imports()
    warnings.filterwarnings("ignore")


def _read(path: Path) -> Fact | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def _write(path: Path, fact: Fact) -> None:
    # What cannot be kept costs time, not correctness; another plan may write the same fact.
    with contextlib.suppress(StoreError):
        json_files.write_text(path, json.dumps(fact, ensure_ascii=False) + "\n")
