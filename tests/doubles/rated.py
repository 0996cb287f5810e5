"""Answers rated by a judge behind a server of these tests."""

from __future__ import annotations

from typing import Any

from tunegrid.cells.stages import judge as judging
from tunegrid.cells.stages.judge import Rated
from tunegrid.evaluation.benchmark import Benchmark, Item
from tunegrid.evaluation.benchmarks import belle
from tunegrid.evaluation.judges import openai
from tunegrid.evaluation.judges.judge import Judge
from tunegrid.store.run_directory import RunDirectory

KEY = "sk-secret-0123456789"


FAST: dict[str, Any] = {
    "model": "tiny",
    "first_wait_seconds": 0.01,
    "longest_wait_seconds": 0.05,
    "tries": 2,
    "timeout_seconds": 2.0,
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
