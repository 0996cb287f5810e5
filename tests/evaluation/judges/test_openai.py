"""Judges that are asked: what fails, what is kept, what is never asked twice, where the key is."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from doubles import servers
from tunegrid.cells.stages import judge as judging
from tunegrid.cells.stages.judge import Rated
from tunegrid.config.errors import ConfigError, Stopped
from tunegrid.evaluation.benchmark import Benchmark, Item
from tunegrid.evaluation.benchmarks import belle
from tunegrid.evaluation.judges import openai, recorded
from tunegrid.evaluation.judges.judge import Judge
from tunegrid.store.run_directory import RunDirectory

KEY = "sk-secret-0123456789"
FAST: dict[str, Any] = {
    "model": "tiny",
    "first_wait_seconds": 0.01,
    "longest_wait_seconds": 0.05,
    "tries": 3,
    "timeout_seconds": 0.5,
}
KINDS = ("rate", "broken", "garbage", "half", "silent", "cutoff", "chatty", "refused", "fine")


def benchmark(*kinds: str) -> Benchmark:
    items = tuple(
        Item(f"i{n}", "open_qa", f"kind:{kind} question {n}", "instruction", "reference", None)
        for n, kind in enumerate(kinds)
    )
    return Benchmark(
        name="belle", version="1", sha256="0", items=items, needs_judge=True, metric="score",
        score=None, summarize=lambda i, s: belle.summarize(i, s, metric="score"),
        judge_prompts={"open_qa": "rubric"}, reference_free=belle.REFERENCE_FREE,
    )  # fmt: skip


def built(url: str, **options: Any) -> Judge:
    return openai.build(**{**FAST, "base_url": url, **options})


def rate(run: RunDirectory, of: Benchmark, judge: Judge, **changes: Any) -> Rated:
    given: dict[str, Any] = {
        "answers": [f"answer {n}" for n in range(len(of.items))],
        "identity": {"model": "tiny"},
        "should_stop": lambda: False,
    } | changes
    return judging.rate(run, of, given["answers"], judge, given["identity"], given["should_stop"])


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    return directory


def test_the_request_is_the_studys(run: RunDirectory) -> None:
    of = benchmark("fine")
    with servers.serving(servers.replying("得分：1分")) as server:
        rate(run, of, built(server.url))
    assert server.asked == [
        "rubric kind:fine question 0 标准回答： reference 模型回答： 'answer 0'。"
        "请针对模型回答给出得分，顺便给出理由："
    ]
    (body,) = server.bodies
    assert body["messages"][0] == {"role": "system", "content": "You are a helpful assistant."}
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("tiny", 0.0, 1024)


def test_categories_without_reference_are_judged_without_it(run: RunDirectory) -> None:
    item = Item("i", "rewrite", "question", "instruction", "a former translation", None)
    of = benchmark("fine")
    of = Benchmark(**{**vars(of), "items": (item,), "judge_prompts": {"rewrite": "rubric"}})
    with servers.serving(servers.replying("得分：1分")) as server:
        rate(run, of, built(server.url))
    assert "标准回答" not in server.asked[0]
    assert "translation" not in server.asked[0]


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
        "silent": "no reply in 0.5 s",
        "cutoff": "unparsed: cut off",
        "chatty": "unparsed: no score found",
        "refused": 'HTTP 400: {"error": "too long"}',
    }
    assert reasons["half"].startswith("RemoteProtocolError")
    assert rated.is_incomplete
    assert sum(rated.problems.values()) == len(reasons)
    calls = {kind: sum(n for q, n in asked.items() if f"kind:{kind} " in q) for kind in KINDS}
    assert calls == {
        "rate": 2, "broken": 3, "garbage": 3, "half": 3, "silent": 3,
        "cutoff": 2, "chatty": 2, "refused": 1, "fine": 1,
    }  # fmt: skip


def test_the_same_call_asks_for_what_is_missing_and_nothing_else(run: RunDirectory) -> None:
    of = benchmark(*KINDS)
    with servers.serving(servers.failing) as server:
        rate(run, of, built(server.url))
    with servers.serving(servers.replying("得分：0.25分")) as again:
        rated = rate(run, of, built(again.url))
        kinds = sorted(question.split("kind:")[1].split(" ")[0] for question in again.asked)
    assert kinds == ["broken", "garbage", "half", "refused", "silent"]
    values = {kind: score.value for kind, score in zip(KINDS, rated.scores, strict=True)}
    assert values["rate"] == values["fine"] == 0.5
    assert values["broken"] == values["silent"] == 0.25
    assert rated.problems == {"unparsed: cut off": 1, "unparsed: no score found": 1}
    assert rated.is_incomplete
    with servers.serving(servers.failing) as unused:
        accepting = built(unused.url, max_unparsed_share=0.3)
        assert not rate(run, of, accepting).is_incomplete
        assert unused.asked == []


def test_a_reply_is_on_the_disk_before_the_next_question(run: RunDirectory) -> None:
    """Stopped in the middle, at whatever point: all that was answered is there."""
    of = benchmark(*["fine"] * 8)
    with servers.serving(servers.replying("得分：1分")) as server:
        judge = built(server.url, concurrency=1)
        with pytest.raises(Stopped):
            rate(run, of, judge, should_stop=lambda: len(server.asked) >= 3)
        assert len(run.read_lines("replies/openai-tiny.jsonl")) == 3
        rated = rate(run, of, judge)
        assert len(server.asked) == len(set(server.asked)) == 8
    assert not rated.is_incomplete
    # A line that a kill cut off costs one call and nothing else.
    path = run.path / "replies" / "openai-tiny.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    with servers.serving(servers.replying("得分：1分")) as server:
        rate(run, of, built(server.url))
        assert len(server.asked) == 1
        assert len(run.read_lines("replies/openai-tiny.jsonl")) == 8


def test_another_answer_rubric_or_parameter_is_asked_anew(run: RunDirectory) -> None:
    of = benchmark("fine")
    with servers.serving(servers.replying("得分：1分")) as server:
        judge = built(server.url)
        rate(run, of, judge)
        rate(run, of, judge)
        assert len(server.asked) == 1
        rate(run, of, judge, answers=["another"])
        rate(run, of, judge, identity={"model": "tiny", "temperature": 1})
        rate(run, Benchmark(**{**vars(of), "judge_prompts": {"open_qa": "other"}}), judge)
        assert len(server.asked) == 4


def test_repeats_are_asked_apart_and_averaged(run: RunDirectory) -> None:
    def by_count(handler: Any, question: str, count: int) -> None:
        servers.send(handler, 200, servers.completion(f"得分：{0.5 + 0.1 * count:.1f}分"))

    with servers.serving(by_count) as server:
        rated = rate(run, benchmark("fine"), built(server.url, repeats=3, concurrency=1))
        assert len(server.asked) == 3
    assert rated.scores[0].value == pytest.approx(0.6)
    assert sorted(rated.repeats["i0"]) == [0.5, 0.6, 0.7]  # type: ignore[type-var]


def test_an_empty_answer_scores_0_and_is_not_asked(run: RunDirectory) -> None:
    with servers.serving(servers.replying("得分：1分")) as server:
        rated = rate(run, benchmark("fine"), built(server.url), answers=[" \n"])
        assert server.asked == []
    assert (rated.scores[0].value, rated.scores[0].reason) == (0.0, "empty answer")


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


def test_calls_are_limited_in_number_and_rate(run: RunDirectory) -> None:
    def slow(handler: Any, question: str, count: int) -> None:
        time.sleep(0.05)
        servers.send(handler, 200, servers.completion("得分：1分"))

    with servers.serving(slow) as server:
        rate(run, benchmark(*["fine"] * 9), built(server.url, concurrency=3))
        assert server.most_together <= 3
        assert server.most_together > 1
    with servers.serving(servers.replying("得分：1分")) as server:
        answers = [f"other {n}" for n in range(6)]
        limited = built(server.url, calls_per_minute=1200)
        rate(run, benchmark(*["fine"] * 6), limited, answers=answers)
        assert server.times[-1] - server.times[0] >= 5 * 0.05 * 0.9


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"base_url": "localhost:8000"}, "base_url must be an address"),
        ({"base_url": "http://user:pw@host/v1"}, "holds a user"),
        ({"base_url": "https://api.openai.com/v1"}, "OPENAI_API_KEY in the environment"),
        ({"base_url": "https://api.openai.com/v1", "key_variable": None}, "needs a key"),
        ({"key_variable": "AWS_SECRET_ACCESS_KEY"}, "ends in _API_KEY or _TOKEN"),
        ({"key_variable": "HOME"}, "ends in _API_KEY or _TOKEN"),
        ({"repeats": 0}, "repeats is 0"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"max_unparsed_share": 2}, "max_unparsed_share is 2"),
    ],
)
def test_bad_options_are_refused_before_any_call(
    options: dict[str, Any], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = openai.problems({"base_url": "http://h/v1", "model": "m", **options})
    assert any(part in problem for problem in found), found
    assert "pw" not in str(found)


@pytest.mark.parametrize(
    ("address", "is_sent"),
    [
        ("https://judge.example/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://judge.example/v1", False),
        ("http://10.0.0.7:8000/v1", False),
        ("http://127.0.0.1.judge.example/v1", False),
        ("http://localhost.judge.example/v1", False),
    ],
)
def test_a_key_travels_encrypted_or_not_at_all(
    address: str, is_sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_TOKEN", "hidden")
    options = {"base_url": address, "model": "m", "key_variable": "LAB_TOKEN"}
    found = openai.problems(options)
    assert (found == []) is is_sent, found
    assert "hidden" not in str(found)
    if is_sent:
        openai.build(**options)
    else:
        # Also where nothing was checked before, such as a frozen cell.
        with pytest.raises(ConfigError, match="key_variable=null"):
            openai.build(**options)
    assert openai.problems({**options, "key_variable": None}) == []


def test_recorded_replies_and_what_they_lack(run: RunDirectory, tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    lines = [{"identifier": "i0", "reply": "得分：1分"}, {"identifier": "i2", "reply": "0.5分"}]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    rated = rate(run, benchmark("a", "b", "c"), recorded.build(replies=str(path)))
    assert [score.value for score in rated.scores] == [1.0, None, 0.5]
    assert rated.is_incomplete
    assert "no recorded reply in replies.jsonl" in rated.problems
    assert recorded.problems({"replies": str(tmp_path / "none")})


def test_a_benchmark_without_judge_prompts_is_refused(run: RunDirectory) -> None:
    of = Benchmark(**{**vars(benchmark("fine")), "judge_prompts": {}})
    with pytest.raises(ConfigError, match=r"eval\.benchmarks\.belle\.options\.judge_prompts"):
        rate(run, of, built("http://127.0.0.1:9/v1"))
