"""Belle-eval: its records, categories, refusals and averages."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tunegrid.config.errors import ConfigError, DataError
from tunegrid.evaluation.benchmark import Item, ItemScore
from tunegrid.evaluation.benchmarks import belle

RECORDS = [
    {"question": "回答。\n中国有多少个省？", "std_answer": "34个", "class": "open qa"},
    {"question": "写一首诗。", "std_answer": "", "class": "generation"},
    {"question": "谁？", "std_answer": "李白", "class": "closed\xa0qa"},
    {"question": "谁？", "std_answer": "杜甫", "class": "Open QA"},
]


def written(folder: Path, records: list[dict[str, str]]) -> Path:
    path = folder / "eval_set.json"
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in records), encoding="utf-8")
    return path


def test_one_record_gives_one_item(tmp_path: Path) -> None:
    found = belle.read(written(tmp_path, RECORDS))
    assert found.items[0] == Item(
        "belle-0001", "open_qa", "回答。\n中国有多少个省？", "instruction", "34个", None
    )
    assert [item.category for item in found.items] == [
        "open_qa",
        "generation",
        "closed_qa",
        "open_qa",
    ]
    assert found.items[1].reference is None
    assert (found.needs_judge, found.score) == (True, None)


def test_an_array_gives_the_same_items(tmp_path: Path) -> None:
    lines = belle.read(written(tmp_path, RECORDS))
    array = tmp_path / "array.json"
    array.write_text(json.dumps(RECORDS), encoding="utf-8")
    assert belle.read(array).items == lines.items
    assert belle.read(array).sha256 != lines.sha256


@pytest.mark.parametrize(
    ("record", "part"),
    [
        ({"question": "q", "std_answer": "a", "class": "poetry"}, "unknown class 'poetry'"),
        ({"question": "q", "class": "math"}, "no text in 'std_answer'"),
        ({"question": 1, "std_answer": "a", "class": "math"}, "no text in 'question'"),
        ({"question": " ", "std_answer": "a", "class": "math"}, "the question is empty"),
        (RECORDS[0], "the question stands on line 1 already"),
        ("text", "not an object"),
    ],
)
def test_a_bad_record_is_refused_with_its_line(tmp_path: Path, record: object, part: str) -> None:
    path = written(tmp_path, [*RECORDS, record, RECORDS[1]])  # type: ignore[list-item]
    with pytest.raises(DataError) as caught:
        belle.read(path)
    message = str(caught.value)
    assert f"line 5: {part}" in message
    assert "2 problems" in message
    assert str(path) in message


def test_a_missing_file_says_where_the_set_is_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ODC-By.*BELLE.*eval\.benchmarks\.belle\.path="):
        belle.read(tmp_path / "eval_set.json")
    with pytest.raises(DataError, match="is a directory"):
        belle.read(tmp_path)


def test_judge_prompts_are_found_by_category(tmp_path: Path) -> None:
    path = written(tmp_path, RECORDS)
    classes = ["open QA", "closed\xa0QA", "generation", "translation"]
    prompts = tmp_path / "eval_prompt.json"
    lines = [json.dumps({"class": name, "prompt": f"rate {name}"}) for name in classes]
    prompts.write_text("\n".join(lines), encoding="utf-8")
    found = belle.read(path, judge_prompts=str(prompts)).judge_prompts
    assert found["open_qa"] == "rate open QA"
    assert found["closed_qa"] == "rate closed\xa0QA"
    prompts.write_text("\n".join(lines[1:]), encoding="utf-8")
    with pytest.raises(DataError, match="no judge prompt for open_qa"):
        belle.read(path, judge_prompts=str(prompts))
    with pytest.raises(ConfigError, match="no file"):
        belle.read(path, judge_prompts=str(tmp_path / "none.json"))


def scores(items: tuple[Item, ...], *values: float | None) -> list[ItemScore]:
    return [ItemScore(i.identifier, v, "") for i, v in zip(items, values, strict=True)]


def test_the_average_is_the_macro_average_in_the_studys_order(tmp_path: Path) -> None:
    found = belle.read(written(tmp_path, RECORDS))
    rows = found.summarize(found.items, scores(found.items, 1.0, 0.5, 0.25, 0.0))
    assert [(row.category, row.value) for row in rows] == [
        ("open_qa", 50.0),
        ("generation", 50.0),
        ("closed_qa", 25.0),
        ("average", pytest.approx(125 / 3)),
    ]
    assert [row.items for row in rows] == [2, 1, 1, 4]


def test_an_average_over_some_categories_has_another_name(tmp_path: Path) -> None:
    found = belle.read(written(tmp_path, RECORDS))
    rows = found.summarize(found.items, scores(found.items, 1.0, None, 0.5, None))
    by_category = {row.category: row for row in rows}
    assert by_category["generation"].value is None
    assert "average" not in by_category
    some = by_category["average_scored"]
    assert (some.value, some.items, some.unscored) == (75.0, 2, 2)
    nothing = found.summarize(found.items, scores(found.items, None, None, None, None))[-1]
    assert (nothing.category, nothing.value, nothing.unscored) == ("average_scored", None, 4)


def test_the_real_set(shared_data: Path) -> None:
    folder = shared_data / "belle_eval"
    found = belle.read(folder / "eval_set.json", judge_prompts=str(folder / "eval_prompt.json"))
    assert Counter(item.category for item in found.items) == {
        "code": 38,
        "open_qa": 285,
        "brainstorming": 179,
        "classification": 65,
        "math": 75,
        "generation": 98,
        "summarization": 40,
        "rewrite": 131,
        "closed_qa": 52,
        "extract": 37,
    }
    assert sum(item.reference is None for item in found.items) == 369
    assert len(found.judge_prompts) == 11
    assert found.items[1].question == "回答以下问题的答案。\n中国有多少个省？"
    rows = found.summarize(found.items, scores(found.items, *[0.5] * 1000))
    assert [row.category for row in rows] == [*belle.CATEGORIES.values(), "average"]
