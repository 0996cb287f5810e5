"""MMCU: both layouts, the question's text, extraction, scoring and the published outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tunegrid.config.errors import ConfigError, DataError
from tunegrid.evaluation.benchmark import Benchmark, Item, ItemScore
from tunegrid.evaluation.benchmarks.mmcu import benchmark as mmcu

HEADER = ["题目", "A", "B", "C", "D", "答案"]


ORGAN = ["人体最大的器官是（）", "心脏", "肝脏", "皮肤", "肺", "C"]


FLAT = {
    "类别": "心理",
    "题目": "意识是什么？",
    "选项": "A:家庭\nB:大学\nC:杂志\nD:意识",
    "答案": "D",
}


def workbook(folder: Path, name: str, **sheets: Sequence[Sequence[Any]]) -> Path:
    """Write <folder>/test/<name>.xlsx with the given rows and return the folder."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    (folder / "test").mkdir(parents=True, exist_ok=True)
    book.save(folder / "test" / f"{name}.xlsx")
    return folder


def flat(folder: Path, *records: object) -> Path:
    path = folder / "mmcu.json"
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return path


def answered(benchmark: Benchmark, *answers: str) -> list[ItemScore]:
    assert benchmark.score is not None
    return [benchmark.score(i, a) for i, a in zip(benchmark.items, answers, strict=True)]


def value(found: Benchmark, answer: str) -> float | None:
    return answered(found, answer)[0].value


def test_a_workbook_with_six_options_is_scored_with_six_letters(tmp_path: Path) -> None:
    row = ["题", "1", "2", "3", "4", "5", "6", "AEF"]
    found = mmcu.read(workbook(tmp_path, "法律", Sheet1=[["题目", *"ABCDEF", "答案"], row]))
    assert value(found, "答案：A、E、F") == 1.0
    assert value(found, "A") == 0.0


def test_the_strict_rule_is_the_published_one(tmp_path: Path) -> None:
    assert mmcu.extract("ＡＢ", strict=True) is None
    assert mmcu.extract("ＡB", strict=True) == "B"
    path = flat(tmp_path, FLAT | {"答案": "BA"})
    assert value(mmcu.read(path), "AB") == 1.0
    assert value(mmcu.read(path, strict=True), "AB") == 0.0
    assert value(mmcu.read(path, strict=True), "BA") == 1.0


@pytest.mark.parametrize(
    ("reply", "expected", "reason"),
    [
        ("A、B", 1.0, "answered AB"),
        ("BA", 1.0, "answered BA"),
        ("A", 0.0, "answered A"),
        ("ABC", 0.0, "answered ABC"),
        ("不知道", 0.0, "unparsed"),
        ("", 0.0, "empty answer"),
        (" \n", 0.0, "empty answer"),
    ],
)
def test_only_exactly_the_right_letters_score(
    tmp_path: Path, reply: str, expected: float, reason: str
) -> None:
    found = mmcu.read(flat(tmp_path, FLAT | {"答案": "AB"}))
    [score] = answered(found, reply)
    assert replace(score, readings={}) == ItemScore("mmcu-psychology-0001", expected, reason)


def test_the_summary(tmp_path: Path) -> None:
    records = [FLAT | {"类别": name} for name in ("教育_化学", "教育_历史", "教育_化学", "心理")]
    found = mmcu.read(flat(tmp_path, *records))
    rows = found.summarize(found.items, answered(found, "D", "A", "不", ""))
    by_row = {(row.category, row.metric): row for row in rows}
    accuracies = {c: row.value for (c, metric), row in by_row.items() if metric == "accuracy"}
    assert accuracies == {
        "education": pytest.approx(100 / 3),
        "psychology": 0.0,
        "average_present": pytest.approx(100 / 6),
        "all": 25.0,
        "education/化学": 50.0,
        "education/历史": 0.0,
    }
    assert by_row["education", "accuracy"].items == 3
    of_subjects = {c: row.value for (c, m), row in by_row.items() if m == "accuracy_of_subjects"}
    assert of_subjects == {"education": 0.25, "psychology": 0.0, "average_present": 0.125}
    assert by_row["all", "right"].value == 1.0
    unparsed = {c: row.value for (c, metric), row in by_row.items() if metric == "unparsed"}
    assert unparsed == {"education": 1.0, "psychology": 1.0, "all": 2.0}


def test_the_average_needs_all_four_disciplines(tmp_path: Path) -> None:
    found = mmcu.read(
        flat(tmp_path, *(FLAT | {"类别": c} for c in ("心理", "法律", "医疗", "教育")))
    )
    rows = found.summarize(found.items, answered(found, "D", "D", "A", "A"))
    categories = [row.category for row in rows if row.metric == "accuracy"]
    assert categories == ["medicine", "law", "psychology", "education", "average", "all"]
    assert rows[4].value == 50.0
    subjects = [row.category for row in rows if row.metric == "accuracy_of_subjects"]
    assert subjects == ["law", "psychology"], "the flat form has no subjects of medicine"


def test_an_unanswerable_item_can_be_accepted_and_scores_nothing(tmp_path: Path) -> None:
    bad = [*ORGAN[:-1], "E"]
    folder = workbook(tmp_path, "法律", Sheet1=[HEADER, bad])
    found = mmcu.read(folder, unanswerable=["mmcu-law-0001"])
    assert value(found, "E") == 0.0
    with pytest.raises(ConfigError, match="mmcu-law-0007"):
        mmcu.read(folder, unanswerable=["mmcu-law-0001", "mmcu-law-0007"])
    published = workbook(tmp_path / "p", "心理", Sheet1=[HEADER, [*ORGAN[:-1], "ABFD"]])
    assert value(mmcu.read(published), "ABD") == 0.0
    elsewhere = workbook(tmp_path / "e", "法律", Sheet1=[HEADER, [*ORGAN[:-1], "ABFD"]])
    with pytest.raises(DataError, match="ABFD"):
        mmcu.read(elsewhere)


PUBLISHED_MICRO = {
    "bloomz_560m": (30.58, 16.35, 20.05, 25.25),
    "chatglm6b": (34.30, 16.91, 28.85, 35.82),
}


@pytest.mark.parametrize("model", PUBLISHED_MICRO)
def test_the_published_outputs_get_their_published_scores(model: str, shared_data: Path) -> None:
    """11,845 answers of the authors' run: strict scoring gives every published flag."""
    items, strict, sets = [], [], []
    for path in sorted((shared_data / "mmcu_outputs" / model).iterdir()):
        first = path.name.split("_")[0]
        discipline = {"法律": "law", "心理": "psychology", "教育": "education"}.get(
            first, "medicine"
        )
        body = path.read_text(encoding="utf-8").rpartition("Average accuracy")[0]
        found = re.findall(r"(.+?)\|\|\|(.*?)\|\|\|(True|False)\n", body, re.DOTALL)
        for number, (reply, label, flag) in enumerate(found):
            name = f"{path.name}-{number}"
            published = Item(name, discipline, "", "multiple_choice", label, None)
            normal = "".join(sorted(set(mmcu.label_letters(label))))
            item = Item(name, discipline, "", "multiple_choice", normal, None)
            assert re.fullmatch("[A-F]+", normal), name
            strict.append(mmcu._scored(published, reply, True, "ABCD"))
            sets.append(mmcu._scored(item, reply, False, "ABCD"))
            assert strict[-1].value == float(flag == "True"), name
            items.append(item)
    assert len(items) == 11845
    rows = mmcu.summarize(items, strict)
    assert tuple(round(row.value or 0.0, 2) for row in rows[:4]) == PUBLISHED_MICRO[model]
    right = [sum(score.value or 0.0 for score in scores) for scores in (strict, sets)]
    assert right[1] - right[0] == 1.0


def test_worked_examples_come_from_dev(tmp_path: Path) -> None:
    workbook(tmp_path, "教育_化学", Sheet1=[HEADER, ORGAN])
    workbook(tmp_path, "医疗", 临床医学101题=[HEADER, ORGAN], 儿科学213题=[HEADER, ORGAN])
    dev = tmp_path / "made" / "test"
    workbook(
        tmp_path / "made", "教育_化学", Sheet1=[HEADER, ["化", "1", "2", "3", "4", "ＡＣ"], ORGAN]
    )
    workbook(
        tmp_path / "made", "医疗", 一=[HEADER, ["医", "1", "2", "3", "4", "B"]], 二=[HEADER, ORGAN]
    )
    dev.rename(tmp_path / "dev")
    found = mmcu.read(tmp_path, shots=1)
    by_name = {item.identifier: item.question for item in found.items}
    assert by_name["mmcu-education-化学-0001"] == (
        "请阅读以下选择题并给出正确选项，不要解释原因。\n"
        "化\nA:1\nB:2\nC:3\nD:4\n正确答案的序号是： AC\n\n"
        "人体最大的器官是（）\nA:心脏\nB:肝脏\nC:皮肤\nD:肺\n正确答案的序号是："
    )
    for name in ("mmcu-medicine-临床医学-0001", "mmcu-medicine-儿科学-0001"):
        assert "\n医\n" in by_name[name], "the subjects of medicine share the first sheet"
    with pytest.raises(DataError, match="asks for 2"):
        mmcu.read(tmp_path, shots=2)
    with pytest.raises(DataError, match="no workbook"):
        mmcu.read(flat(tmp_path / "made", FLAT), shots=1)


def test_the_real_belle_and_its_judge_prompts(shared_data: Path) -> None:
    """Every category of the real set finds its prompt, though the files spell some differently."""
    from tunegrid.evaluation.benchmarks import belle

    found = belle.read(shared_data / "belle_eval" / "eval_set.json")
    assert len(found.items) == 1000
    assert sum(item.reference is None for item in found.items) == 369
    assert {item.category for item in found.items} <= found.judge_prompts.keys()
    counts = dict.fromkeys(belle.CATEGORIES.values(), 0)
    for item in found.items:
        counts[item.category] += 1
    assert counts == {
        "code": 38, "open_qa": 285, "brainstorming": 179, "classification": 65, "math": 75,
        "generation": 98, "summarization": 40, "rewrite": 131, "closed_qa": 52, "extract": 37,
    }  # fmt: skip
