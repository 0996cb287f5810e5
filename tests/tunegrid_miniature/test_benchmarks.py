"""The two benchmarks as committed: exact formats, class spellings, balanced letters."""

import json
from collections import Counter
from pathlib import Path

from tunegrid_miniature.workbooks import read_workbook

CLASSES = {
    "code",
    "open qa",
    "brainstorming",
    "classification",
    "math",
    "generation",
    "summarization",
    "rewrite",
    "closed\u00a0qa",
    "extract",
}


WORKBOOKS = ("医疗", "法律", "心理", "教育_历史", "教育_地理")


def test_belle_items(assets: Path) -> None:
    text = (assets / "belle_eval" / "eval_set.json").read_bytes().decode("utf-8")
    assert "\r" not in text
    assert not text.endswith("\n")
    items = [json.loads(line) for line in text.split("\n")]
    assert 90 <= len(items) <= 120
    assert all(list(item) == ["question", "std_answer", "class"] for item in items)
    counts = Counter(item["class"] for item in items)
    assert set(counts) == CLASSES
    assert min(counts.values()) >= 5
    empty = {item["class"] for item in items if not item["std_answer"]}
    assert empty == {"brainstorming", "generation"}
    assert len({item["question"] for item in items}) >= len(items) - 4


def test_judge_prompts(assets: Path) -> None:
    text = (assets / "belle_eval" / "eval_prompt.json").read_text(encoding="utf-8")
    prompts = [json.loads(line) for line in text.split("\n")]
    names = [prompt["class"] for prompt in prompts]
    changed = (CLASSES - {"open qa", "closed\u00a0qa"}) | {"open QA", "closed\u00a0QA"}
    assert len(names) == 11
    assert set(names) == changed | {"translation"}
    assert prompts
    assert all("满分为1分" in prompt["prompt"] for prompt in prompts)


def test_workbooks(assets: Path) -> None:
    total, answers = 0, Counter()
    for name in WORKBOOKS:
        sheets = read_workbook(assets / "mmcu" / "test" / f"{name}.xlsx")
        assert len(sheets) == (2 if name == "医疗" else 1)
        for rows in sheets.values():
            assert all(len(row) == 6 for row in rows)
            assert all(len(set(row[1:5])) == 4 for row in rows)
            total += len(rows)
            answers.update(row[5] for row in rows)
        (dev,) = read_workbook(assets / "mmcu" / "dev" / f"{name}.xlsx").values()
        assert len(dev) == 5
        asked = {row[0] for rows in sheets.values() for row in rows}
        assert not asked & {row[0] for row in dev}
    assert 170 <= total <= 230
    single = {letter: answers[letter] for letter in "ABCD"}
    assert max(single.values()) - min(single.values()) <= 12
    several = total - sum(single.values())
    assert 10 <= several <= 40
