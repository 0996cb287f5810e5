"""Replies are kept as they come, and nothing is asked twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doubles import servers
from doubles.rated import KINDS, benchmark, built, rate
from tunegrid.config.errors import ConfigError, Stopped
from tunegrid.evaluation.benchmark import Benchmark
from tunegrid.store.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    return directory


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


def test_a_benchmark_without_judge_prompts_is_refused(run: RunDirectory) -> None:
    of = Benchmark(**{**vars(benchmark("fine")), "judge_prompts": {}})
    with pytest.raises(ConfigError, match=r"eval\.benchmarks\.belle\.options\.judge_prompts"):
        rate(run, of, built("http://127.0.0.1:9/v1"))
