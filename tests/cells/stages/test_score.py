"""What an answer says, what rates it, and what an incomplete scoring does not claim."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunegrid.cells.stages import score
from tunegrid.cells.stages.judge import Rated
from tunegrid.cells.stages.score import Names
from tunegrid.config.schema import CellConfig
from tunegrid.evaluation.benchmark import Benchmark, Item, ItemScore, measurement
from tunegrid.evaluation.judges.judge import Judge
from tunegrid.store.run_directory import RunDirectory

ITEMS = tuple(
    Item(f"i{n}", category, "question", "instruction", "yes", None)
    for n, category in enumerate(("a", "a", "b"))
)


def benchmark(rule: Any = None) -> Benchmark:
    def summarize(items: Any, scores: Any) -> Any:
        of: dict[str, list[ItemScore]] = {}
        for item, one in zip(items, scores, strict=True):
            of.setdefault(item.category, []).append(one)
        return [measurement(category, "accuracy", found) for category, found in of.items()]

    return Benchmark(
        name="own", version="1", sha256="0", items=ITEMS, needs_judge=rule is None,
        metric="accuracy", score=rule, summarize=summarize,
    )  # fmt: skip


def right(item: Item, answer: str) -> ItemScore:
    return ItemScore(item.identifier, float(answer == item.reference), "")


@pytest.fixture
def cell() -> Any:
    config = CellConfig()
    config.prompt.stop = "###"
    return SimpleNamespace(config=config)


def choice(name: str, log_likelihood: float, tokens: int) -> dict[str, Any]:
    return {
        "choice": name, "log_likelihood": log_likelihood, "end_log_likelihood": -1.0,
        "tokens": tokens,
    }  # fmt: skip


def test_a_generated_answer_ends_at_the_stop(cell: Any) -> None:
    assert score.answer_in(cell, "generation", {"text": " yes\n### next"}) == "yes"


def test_the_likeliest_choice_is_the_answer_by_sum_or_by_token(cell: Any) -> None:
    record = {"likelihoods": [choice("short", -3.0, 1), choice("long", -4.0, 4)]}
    assert score.answer_in(cell, "likelihood", record) == "short"
    assert score.answer_in(cell, "likelihood_normalized", record) == "long"


def test_the_first_of_equals_is_taken(cell: Any) -> None:
    record = {"likelihoods": [choice("A", -2.0, 1), choice("B", -2.0, 1)]}
    for protocol in ("likelihood", "likelihood_normalized"):
        assert score.answer_in(cell, protocol, record) == "A"


def test_the_benchmarks_own_rule_comes_before_a_judge(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    judge = Judge("j", "", rate=lambda item, answer: ItemScore(item.identifier, 0.25, "judged"))
    answers = ["yes", "no", "yes"]
    by_rule = score.rate(run, benchmark(right), answers, judge, {}, lambda: False)
    assert [one.value for one in by_rule.scores] == [1.0, 0.0, 1.0]
    by_judge = score.rate(run, benchmark(), answers, judge, {}, lambda: False)
    assert {one.value for one in by_judge.scores} == {0.25}
    with pytest.raises(ValueError, match="no rule"):
        score.rate(run, benchmark(), answers, None, {}, lambda: False)


def written(run: RunDirectory, values: list[float | None], *, incomplete: bool) -> dict[str, Any]:
    run.create()
    scores = [
        ItemScore(item.identifier, value, "" if value is not None else "unparsed: nothing")
        for item, value in zip(ITEMS, values, strict=True)
    ]
    names = Names("own", "1", "generation", "own-1", "own-1-j-2", "j")
    return score.write(
        run, names, benchmark(), ["x", "y", "z"], Rated(scores, {}, {}, is_incomplete=incomplete),
        note="", suspects=[],
    )  # fmt: skip


def test_a_whole_scoring_has_a_line_an_item_and_its_means(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    summary = written(run, [1.0, 0.0, 1.0], incomplete=False)
    assert {row["category"]: row["value"] for row in summary["measurements"]} == {
        "a": 50.0, "b": 100.0
    }  # fmt: skip
    lines = run.read_lines("scores/own-1-j-2.jsonl")
    assert [(line["identifier"], line["category"], line["answer"]) for line in lines] == [
        ("i0", "a", "x"), ("i1", "a", "y"), ("i2", "b", "z")
    ]  # fmt: skip
    assert run.read("scores/own-1-j-2.json") == summary
    assert not summary["incomplete"]


def test_an_incomplete_scoring_has_means_of_whole_categories_alone(tmp_path: Path) -> None:
    summary = written(RunDirectory(tmp_path), [1.0, None, 1.0], incomplete=True)
    assert summary["incomplete"]
    rows = {row["category"]: row for row in summary["measurements"]}
    assert (rows["a"]["value"], rows["a"]["unscored"]) == (None, 1)
    assert rows["b"]["value"] == 100.0


def test_what_an_incomplete_scoring_lacks_is_said_with_what_to_do() -> None:
    said = score.incomplete_message(
        {"benchmark": "belle", "judge": "openai", "problems": {"no reply in 60 s": 3}}
    )
    assert "belle" in said
    assert "3 x no reply in 60 s" in said
    assert "the same command" in said
