"""Whole miniature cells whose Belle-eval is rated by servers, good ones and bad ones."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles import judge_base, servers
from tunegrid.cells import state
from tunegrid.reports import rows
from tunegrid.store import json_files, run_files
from tunegrid.store.run_directory import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KEY = "sk-secret-0123456789"
SMALL = [
    "peft=none", "eval=mini", "eval.benchmarks.mmcu=null", "eval.benchmarks.belle.max_new_tokens=4",
    "runtime.threads=1", "runtime.progress=false", "judge=openai",
    "judge.options.tries=2", "judge.options.first_wait_seconds=0.05",
    "judge.options.give_up_after=2",
]  # fmt: skip


def run(project: Path, results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project / "run.py"), *SMALL, f"runtime.results={results}", *words],
        capture_output=True, text=True, cwd=results.parent, timeout=1000,
        env={**os.environ, "OPENAI_API_KEY": KEY},
    )  # fmt: skip


def only_run(results: Path) -> RunDirectory:
    (path,) = (results / "runs").glob("*/cell.json")
    return RunDirectory(path.parent)


def replies(run_directory: RunDirectory) -> list[dict[str, Any]]:
    (path,) = (run_directory.path / "replies").glob("*.jsonl")
    return list(json_files.read_json_lines(path))


@contextlib.contextmanager
def transformers_serve(base: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Serve a base on loopback with `transformers serve`; give the process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = Path(sys.executable).with_name("transformers")
    process = subprocess.Popen(
        [str(command), "serve", str(base), "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(2000):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            assert process.poll() is None, "transformers serve ended"
            time.sleep(0.5)
        yield process, f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def test_a_served_base_judges_a_cell_and_may_be_killed_in_the_middle(
    project: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    base, results = tmp_path / "judge", tmp_path / "results"
    judge_base.save(base, project / "assets" / "miniature" / "llama", "得分:0.5")
    words = [f"judge.options.model={base}", "judge.options.concurrency=1"]
    with transformers_serve(base) as (server, url):
        started = subprocess.Popen(
            [sys.executable, str(project / "run.py"), *SMALL, f"runtime.results={results}",
             *words, f"judge.options.base_url={url}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip
        for _ in range(20_000):
            if (
                len(list(results.glob("runs/*/replies/*.jsonl")))
                and len(replies(only_run(results))) > 4
            ):
                break
            assert started.poll() is None, started.communicate()
            time.sleep(0.05)
        server.send_signal(signal.SIGKILL)
        _, errors = started.communicate(timeout=1000)
    cell = only_run(results)
    assert started.returncode == 1, errors
    assert "is incomplete" in errors
    assert state.of_run(cell.path).status.value == "incomplete"
    before = {one["key"] for one in replies(cell) if one["reply"]["text"] is not None}
    (scores,) = (cell.path / run_files.SCORES).glob("*.jsonl")
    items = len(list(json_files.read_json_lines(scores)))
    assert 4 < len(before) < items
    (summary,) = rows.score_summaries(cell)
    assert summary["incomplete"]
    averages = [m for m in summary["measurements"] if m["category"].startswith("average")]
    assert [m["value"] for m in averages] == [None]
    # Another server at another port goes on with the same scoring.
    with transformers_serve(base) as (_, url):
        done = run(project, results, *words, f"judge.options.base_url={url}")
    assert done.returncode == 0, done.stderr
    answered = [one for one in replies(cell) if one["reply"]["text"] is not None]
    assert max(Counter(one["key"] for one in answered).values()) == 1
    assert before <= {one["key"] for one in answered}
    assert state.of_run(cell.path).status.value == "done"
    (summary,) = rows.score_summaries(cell)
    assert not summary["incomplete"]
    average = next(m for m in summary["measurements"] if m["category"] == "average")
    assert average["value"] == pytest.approx(50.0)
    assert {row["judge"] for row in rows.metric_rows([cell])} == {"openai:judge"}


def test_a_bad_server_leaves_an_incomplete_cell_with_every_item_accounted_for(
    project: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    wrong = ("broken", "garbage", "half", "silent", "cutoff", "chatty")

    def mixed(handler: Any, question: str, count: int) -> None:
        """One kind of failure after the other, by the question's own hash."""
        kind = (*wrong, "rate", "fine")[sum(question.encode()) % 8]
        servers.failing(handler, f"kind:{kind} {question}", count)

    with servers.serving(mixed) as server:
        options = [
            f"judge.options.base_url={server.url}", "judge.options.model=mixed",
            "judge.options.timeout_seconds=1", "judge.options.give_up_after=1000",
        ]  # fmt: skip
        first = run(project, results, *options)
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    cell = only_run(results)
    assert first.returncode == 1
    assert state.of_run(cell.path).status.value == "incomplete"
    (row,) = rows.run_rows([cell])
    assert "items without a score" in row["error"]
    (summary,) = rows.score_summaries(cell)
    (scores,) = (cell.path / run_files.SCORES).glob("*.jsonl")
    records = list(json_files.read_json_lines(scores))
    missing = [record for record in records if record["value"] is None]
    assert sum(summary["problems"].values()) == len(missing) > 0
    assert missing
    assert all(record["reason"] for record in missing)
    assert any(record["value"] == 0.5 for record in records)
    for measurement in summary["measurements"]:
        assert (measurement["value"] is None) == (measurement["unscored"] > 0)
    # The same command with a server that works finishes it.
    with servers.serving(servers.replying("得分：0.25分")) as server:
        options[0] = f"judge.options.base_url={server.url}"
        second = run(project, results, *options, "judge.options.max_unparsed_share=0.5")
    assert second.returncode == 0, second.stderr
    assert state.of_run(cell.path).status.value == "done"
    for path in [*tmp_path.rglob("*")]:
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    for finished in (first, second):
        assert KEY not in finished.stdout + finished.stderr
