"""What a judge is asked is the study's text."""

from __future__ import annotations

from doubles import servers
from doubles.rated import benchmark, built, rate
from tunegrid.evaluation.benchmark import Benchmark, Item
from tunegrid.store.run_directory import RunDirectory


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
