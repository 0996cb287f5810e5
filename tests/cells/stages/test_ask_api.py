"""A server's answers: every reply is kept, none is asked twice, limits hold over all runs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from doubles import servers
from tunegrid.cells.stages import ask_api
from tunegrid.cells.stages.predict import predict
from tunegrid.config.errors import StageError, Stopped
from tunegrid.config.schema import API, CellConfig, ModelConfig
from tunegrid.evaluation.benchmark import Item
from tunegrid.store.run_directory import RunDirectory

KEY = "sk-secret-0123456789"
WHOLE = "predictions/own-1.jsonl"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    return directory


def cell(url: str, **options: Any) -> Any:
    given = {
        "base_url": url, "model": "tiny", "first_wait_seconds": 0.01, "tries": 2,
        "longest_wait_seconds": 0.05, "timeout_seconds": 2.0, "concurrency": 1,
    } | options  # fmt: skip
    config = CellConfig(model=ModelConfig(name="m", path=API, architecture=API, options=given))
    config.runtime.progress = False
    return SimpleNamespace(config=config)


def asked(*questions: str) -> Any:
    items = tuple(
        Item(f"i{n}", "kind", q, "instruction", None, None) for n, q in enumerate(questions)
    )
    return SimpleNamespace(
        name="own", protocol="generation", prediction_id="own-1", max_new_tokens=3,
        prompts=questions, benchmark=SimpleNamespace(items=items),
    )  # fmt: skip


def ask(one: Any, run: RunDirectory, what: Any, stop: Any = lambda: False) -> list[dict[str, Any]]:
    predict(one, run, what, SimpleNamespace(), stop)
    return list(run.read_lines(WHOLE))


def by_kind(handler: Any, question: str, count: int) -> None:
    if "long" in question:
        servers.send(handler, 200, servers.completion("half", "length"))
    elif "held" in question:
        servers.send(handler, 200, servers.completion("", "content_filter"))
    elif "busy" in question and count == 0:
        servers.send(handler, 429, b"{}", Retry_After="0")
    else:
        body = json.loads(servers.completion("### a heading\nyes")) | {"model": "tiny-2026"}
        servers.send(handler, 200, json.dumps(body).encode())


def test_how_each_answer_ended_is_recorded_and_the_key_is_nowhere(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with servers.serving(by_kind) as server:
        found = ask(cell(server.url), run, asked("plain", "long", "held", "busy", "plain"))
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
        assert server.bodies[0]["messages"] == [{"role": "user", "content": "plain"}]
        assert server.asked.count("plain") == 1, "the same question is asked once"
        assert server.asked.count("busy") == 2
    assert [one["finished"] for one in found] == ["eos", "length", "content_filter", "eos", "eos"]
    assert found[0]["served_model"] == "tiny-2026"
    assert found[0]["new_tokens"] == 5
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not [path for path in files if KEY in path.read_text(encoding="utf-8")]
    said = capfd.readouterr()
    assert KEY not in said.out + said.err
    assert "4 calls" in said.err


def test_a_cell_that_was_stopped_asks_nothing_twice(run: RunDirectory) -> None:
    questions = [f"question {n}" for n in range(6)]
    with servers.serving(by_kind) as server:
        with pytest.raises(Stopped):
            ask(cell(server.url), run, asked(*questions), lambda: len(server.asked) >= 3)
        assert not run.has(WHOLE)
        found = ask(cell(server.url), run, asked(*questions))
        assert sorted(server.asked) == questions
    assert [one["prompt"] for one in found] == questions


def test_a_reply_in_hand_survives_a_kill_before_it_became_a_prediction(run: RunDirectory) -> None:
    with servers.serving(by_kind) as server:
        ask(cell(server.url), run, asked("one", "two"))
        run.remove(WHOLE)
        ask(cell(server.url), run, asked("one", "two", "three"))
        assert sorted(server.asked) == ["one", "three", "two"]


def test_a_limit_holds_over_all_runs_and_says_how_to_go_on(run: RunDirectory) -> None:
    questions = [f"question {n}" for n in range(5)]
    with servers.serving(by_kind) as server:
        for _ in range(2):
            with pytest.raises(StageError, match=r"2 of 5 .*raise model\.options\.max_calls"):
                ask(cell(server.url, max_calls=3), run, asked(*questions))
            assert len(server.asked) == 3
        assert len(ask(cell(server.url, max_calls=9), run, asked(*questions))) == 5
        assert len(server.asked) == 5


def test_a_question_that_failed_is_asked_again_by_the_same_command(run: RunDirectory) -> None:
    def broken(handler: Any, question: str, count: int) -> None:
        servers.send(handler, 500, b"no") if count < 2 else by_kind(handler, question, count)

    with servers.serving(broken) as server:
        with pytest.raises(StageError, match=r"1 of 1 .*HTTP 500"):
            ask(cell(server.url), run, asked("one"))
        assert ask(cell(server.url), run, asked("one"))[0]["finished"] == "eos"
        assert len(server.asked) == 3
    assert ask_api.REPLIES.startswith("replies/")
