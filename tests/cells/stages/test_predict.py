"""Answers are kept as they come, in the items' order at the end, and never asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from doubles import tiny_bases
from tunegrid.cells.stages.predict import predict
from tunegrid.config.choices import Engine
from tunegrid.config.errors import Stopped
from tunegrid.config.schema import CellConfig
from tunegrid.evaluation.benchmark import Item
from tunegrid.models.inference import generation, vllm_engine
from tunegrid.store.run_directory import RunDirectory

ITEMS = tuple(Item(f"i{n}", "kind", f"question {n}", "instruction", None, None) for n in range(5))
PART, WHOLE = "predictions/own-1.part.jsonl", "predictions/own-1.jsonl"


class Models:
    """A base that is loaded when it is asked for."""

    def __init__(self) -> None:
        self.loaded = 0

    @property
    def tokenizer(self) -> Any:
        return tiny_bases.tokenizer("llama")

    def answering(self) -> Any:
        self.loaded += 1
        return tiny_bases.base("llama").eval()


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    return directory


@pytest.fixture
def cell() -> Any:
    config = CellConfig()
    config.prompt.stop = ""
    config.prompt.separator = " "
    config.runtime.progress = False
    config.runtime.generation_batch_tokens = 60
    return SimpleNamespace(config=config)


def asked(protocol: str = "generation", **changes: Any) -> Any:
    given = {"items": ITEMS, "is_decided": None, "choices": lambda item: ("A", "B")} | changes
    return SimpleNamespace(
        name="own", protocol=protocol, prediction_id="own-1", max_new_tokens=3,
        stops_when_decided=given["is_decided"] is not None, benchmark=SimpleNamespace(**given),
        prompts=tuple(f"the fox {'jumps ' * n}" for n in range(len(ITEMS))),
    )  # fmt: skip


def never() -> bool:
    return False


def test_answers_stand_in_the_order_of_the_items_with_what_was_asked(
    cell: Any, run: RunDirectory
) -> None:
    predict(cell, run, asked(), Models(), never)
    records = run.read_lines(WHOLE)
    assert [(r["index"], r["identifier"], r["category"]) for r in records] == [
        (n, f"i{n}", "kind") for n in range(len(ITEMS))
    ]
    assert tuple(record["prompt"] for record in records) == asked().prompts
    assert all(1 <= record["new_tokens"] <= 3 for record in records)
    assert not run.has(PART)


def test_what_was_stopped_goes_on_where_it_was(
    cell: Any, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        predict(cell, run, asked(), Models(), lambda: len(run.read_lines(PART)) == 2)
    kept = {record["index"]: record for record in run.read_lines(PART)}
    assert len(kept) == 2
    assert not run.has(WHOLE)
    done: list[frozenset[int]] = []
    whole = generation.answer

    def watched(*arguments: Any, **options: Any) -> Iterator[Any]:
        done.append(options["done"])
        return whole(*arguments, **options)

    monkeypatch.setattr(generation, "answer", watched)
    predict(cell, run, asked(), Models(), never)
    assert done == [frozenset(kept)]
    records = run.read_lines(WHOLE)
    assert len(records) == len(ITEMS)
    assert all(records[index] == record for index, record in kept.items())


def test_whole_answers_load_nothing(cell: Any, run: RunDirectory) -> None:
    models = Models()
    predict(cell, run, asked(), models, never)
    predict(cell, run, asked(), models, never)
    assert models.loaded == 1


def test_likelihoods_are_written_for_each_choice(cell: Any, run: RunDirectory) -> None:
    predict(cell, run, asked("likelihood"), Models(), never)
    records = run.read_lines(WHOLE)
    assert len(records) == len(ITEMS)
    for record in records:
        assert [one["choice"] for one in record["likelihoods"]] == ["A", "B"]
        assert all(one["log_likelihood"] < 0 for one in record["likelihoods"])


def test_an_item_stops_by_its_own_rule(cell: Any, run: RunDirectory) -> None:
    heard: set[str] = set()

    def is_decided(item: Item, text: str) -> bool:
        heard.add(item.identifier)
        return True

    predict(cell, run, asked(is_decided=is_decided), Models(), never)
    assert heard == {item.identifier for item in ITEMS}
    assert {record["new_tokens"] for record in run.read_lines(WHOLE)} == {1}


@pytest.mark.parametrize("method", [None, "library.attach"])
def test_another_engine_answers_without_a_load_of_the_model(
    cell: Any, run: RunDirectory, monkeypatch: pytest.MonkeyPatch, method: str | None
) -> None:
    given: dict[str, Any] = {}

    class WithEngine(Models):
        room = 64

        def engine(self) -> str:
            return "the engine"

    def answer(engine: Any, tokenizer: Any, prompts: Any, **options: Any) -> Iterator[Any]:
        given.update(options, engine=engine)
        for index in range(len(prompts)):
            yield index, generation.Answer(f"answer {index}", 2, "eos")

    monkeypatch.setattr(vllm_engine, "answer", answer)
    cell.directory = run.path
    cell.config.eval.engine = Engine.vllm
    cell.config.peft.function = method
    models = WithEngine()
    predict(cell, run, asked(), models, never)
    assert models.loaded == 0
    assert [one["text"] for one in run.read_lines(WHOLE)] == [f"answer {n}" for n in range(5)]
    assert (given["engine"], given["room"]) == ("the engine", 64)
    assert given["adapter"] == (None if method is None else run.adapter)
