"""Calls to a server that fails in every way: tried again, counted, limited, and without the key."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from doubles import servers
from doubles.rated import KEY, KINDS, benchmark, built, rate
from tunegrid.evaluation.judges import openai_client
from tunegrid.evaluation.judges.judge import Spent
from tunegrid.store.run_directory import RunDirectory


def test_every_item_is_accounted_for_and_what_fails_is_named(run: RunDirectory) -> None:
    of = benchmark(*KINDS)
    with servers.serving(servers.failing) as server:
        rated = rate(run, of, built(server.url, attempts=2))
        asked = Counter(server.asked)
    by_kind = dict(zip(KINDS, rated.scores, strict=True))
    assert {kind for kind, score in by_kind.items() if score.value == 0.5} == {"rate", "fine"}
    reasons = {kind: score.reason for kind, score in by_kind.items() if score.value is None}
    assert reasons == {
        "broken": "HTTP 500: internal error",
        "garbage": "no completion in the reply: <html>not JSON</html>",
        "half": reasons["half"],
        "silent": "no reply in 2 s",
        "cutoff": "unparsed: cut off",
        "chatty": "unparsed: no score found",
        "refused": 'HTTP 400: {"error": "too long"}',
    }
    assert reasons["half"].startswith("RemoteProtocolError")
    assert rated.is_incomplete
    assert sum(rated.problems.values()) == len(reasons)
    calls = {kind: sum(n for q, n in asked.items() if f"kind:{kind} " in q) for kind in KINDS}
    assert calls == {
        "rate": 2, "broken": 2, "garbage": 2, "half": 2, "silent": 2,
        "cutoff": 2, "chatty": 2, "refused": 1, "fine": 1,
    }  # fmt: skip


def test_a_refused_key_stops_at_once_and_is_never_shown(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def refuse(handler: Any, question: str, count: int) -> None:
        servers.send(handler, 401, f"Incorrect API key provided: {KEY}".encode())

    with servers.serving(refuse) as server:
        rated = rate(run, benchmark(*["fine"] * 20), built(server.url, concurrency=2))
        assert len(server.asked) <= 2
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert rated.is_incomplete
    assert sum(rated.problems.values()) == 20
    assert rated.problems
    assert all("HTTP 401" in reason for reason in rated.problems)
    assert_nowhere(KEY, run.path, capsys, repr(rated))


def test_a_server_that_repeats_the_key_does_not_get_it_into_a_file(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with servers.serving(servers.replying(f"你的密钥是{KEY}。得分：1分")) as server:
        judge = built(server.url, key_variable="JUDGE_API_KEY")
        rated = rate(run, benchmark("fine"), judge)
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert rated.scores[0].value == 1.0
    assert_nowhere(KEY, run.path, capsys, repr(judge))


def assert_nowhere(key: str, folder: Path, capsys: pytest.CaptureFixture[str], *texts: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes()
    printed = capsys.readouterr()
    assert key not in "".join([printed.out, printed.err, *texts])


def test_without_a_key_none_is_sent(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with servers.serving(servers.replying("得分：1分")) as server:
        rate(run, benchmark("fine"), built(server.url))
    assert "Authorization" not in server.headers[0]


def test_a_dead_server_is_given_up_after_some_failures(run: RunDirectory) -> None:
    judge = built("http://127.0.0.1:9/v1", give_up_after=3, concurrency=1)
    rated = rate(run, benchmark(*["fine"] * 10), judge)
    assert rated.is_incomplete
    assert sum(rated.problems.values()) == 10
    assert sum(n for reason, n in rated.problems.items() if reason.startswith("not asked")) == 7


def test_the_budget_holds_over_all_runs(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    of = benchmark(*["fine"] * 10)
    with servers.serving(servers.replying("得分：1分")) as server:
        rated = rate(run, of, built(server.url, max_calls=4))
        assert len(server.asked) == 4
        assert rated.is_incomplete
        rate(run, of, built(server.url, max_calls=4))
        assert len(server.asked) == 4
        # 35 tokens a call: the next one might take 1,024 and the bytes of its prompt.
        rate(run, of, built(server.url, max_tokens_spent=4 * 35 + 1100, max_tokens=100))
        assert len(server.asked) == 10 or len(server.asked) > 4
        spent = 35 * len(server.asked)
        assert spent <= 4 * 35 + 1100
        assert not rate(run, of, built(server.url, max_calls=10)).is_incomplete
    assert "max_calls=4 is reached" in str(rated.problems)
    assert "10 calls, at most" in capsys.readouterr().err


def test_as_many_calls_are_under_way_as_are_allowed(run: RunDirectory) -> None:
    # Each waits until three are there: with fewer at once, none would be answered.
    together = threading.Barrier(3, timeout=120)

    def wait(handler: Any, question: str, count: int) -> None:
        together.wait()
        servers.send(handler, 200, servers.completion("得分：1分"))

    with servers.serving(wait) as server:
        judge = built(server.url, concurrency=3, timeout_seconds=120)
        assert not rate(run, benchmark(*["fine"] * 9), judge).is_incomplete
        assert server.most_together == 3


def test_calls_a_minute_keep_calls_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(openai_client.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(openai_client.asyncio, "sleep", sleep)
    names = [field.name for field in dataclasses.fields(openai_client.Settings)]
    settings = openai_client.Settings(**dict.fromkeys(names) | {"calls_per_minute": 120.0})
    asking = openai_client.Asking(settings, lambda *_: None, lambda: False, Spent(0, 0))

    async def ask() -> None:
        for _ in range(4):
            await asking._wait_for_turn()

    asyncio.run(ask())
    assert waited == [0.0, 0.5, 1.0, 1.5]
