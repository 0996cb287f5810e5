"""MMCU: both layouts, the question's text, extraction, scoring and the published outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
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


def test_one_record_of_the_studys_form_gives_one_item(tmp_path: Path) -> None:
    found = mmcu.read(flat(tmp_path, FLAT))
    assert found.items == (
        Item(
            "mmcu-psychology-0001",
            "psychology",
            "请阅读以下选择题并给出正确选项，不要解释原因。\n意识是什么？\n"
            "A:家庭\nB:大学\nC:杂志\nD:意识\n正确答案的序号是：",
            "multiple_choice",
            "D",
            None,
        ),
    )
    assert (found.needs_judge, found.metric) == (False, "accuracy")


def test_one_row_of_a_workbook_gives_the_same_form(tmp_path: Path) -> None:
    found = mmcu.read(workbook(tmp_path, "教育_生物", Sheet1=[HEADER, ORGAN]))
    (item,) = found.items
    assert item == Item(
        "mmcu-education-生物-0001",
        "education",
        mmcu.question_text("人体最大的器官是（）", "A:心脏\nB:肝脏\nC:皮肤\nD:肺"),
        "multiple_choice",
        "C",
        "生物",
    )


def test_the_folder_of_the_authors(tmp_path: Path) -> None:
    workbook(tmp_path, "心理", Sheet1=[HEADER, ORGAN, [], ORGAN], Sheet2=[], Sheet3=[[None, " "]])
    workbook(tmp_path, "教育_化学", Sheet1=[HEADER, ORGAN])
    workbook(tmp_path, "法律", Sheet1=[HEADER, ORGAN, ORGAN])
    workbook(tmp_path, "医疗", 临床医学101题=[HEADER, ORGAN], 儿科学213题=[HEADER, ORGAN, ORGAN])
    (tmp_path / "test" / "~$法律.xlsx").write_bytes(b"lock of an open editor")
    (tmp_path / "dev").mkdir()
    found = mmcu.read(tmp_path)
    assert [item.identifier for item in found.items] == [
        "mmcu-medicine-临床医学-0001",
        "mmcu-medicine-儿科学-0001",
        "mmcu-medicine-儿科学-0002",
        "mmcu-law-0001",
        "mmcu-law-0002",
        "mmcu-psychology-0001",
        "mmcu-psychology-0003",
        "mmcu-education-化学-0001",
    ]
    assert mmcu.read(tmp_path / "test").items == found.items
    assert mmcu.read(tmp_path / "test" / "法律.xlsx").items == found.items[3:5]
    workbook(tmp_path, "教育_化学", Sheet1=[HEADER, ORGAN, ORGAN])
    assert mmcu.read(tmp_path).sha256 != found.sha256


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        (["A、DNA", "B．RNA", "C:ABC", "Ｄ.D"], "A:DNA\nB:RNA\nC:ABC\nD:D"),
        (["(A) 甲", "（B）、乙", "C 、丙", "D,丁"], "A:甲\nB:乙\nC:丙\nD:丁"),
        (["A、甲", "B、乙", "C、丙", "丁"], "A:A、甲\nB:B、乙\nC:C、丙\nD:丁"),
        (["A型血", "B型血", "AB型血", "O型血"], "A:A型血\nB:B型血\nC:AB型血\nD:O型血"),
        ([1, 2.5, 0, " x "], "A:1\nB:2.5\nC:0\nD:x"),
        (["对", "错", None, None], "A:对\nB:错"),
        (["甲", None, "丙", ""], "A:甲\nC:丙"),
        (["A、", "B、", "C、", "D、"], "A:A、\nB:B、\nC:C、\nD:D、"),
    ],
)
def test_options_lose_their_labels_and_nothing_else(
    tmp_path: Path, cells: list[object], options: str
) -> None:
    found = mmcu.read(workbook(tmp_path, "法律", Sheet1=[HEADER, ["题", *cells, "A"]]))
    assert found.items[0].question == mmcu.question_text("题", options)


def test_a_workbook_with_six_options_is_scored_with_six_letters(tmp_path: Path) -> None:
    row = ["题", "1", "2", "3", "4", "5", "6", "AEF"]
    found = mmcu.read(workbook(tmp_path, "法律", Sheet1=[["题目", *"ABCDEF", "答案"], row]))
    assert value(found, "答案：A、E、F") == 1.0
    assert value(found, "A") == 0.0


LABELS = [
    ("C", "C"),
    ("BA", "AB"),
    ("Ａ，C\n", "AC"),
    ("D\u3000", "D"),
    ("c", "C"),
    ("A, B 、D", "ABD"),
    ("AC\n", "AC"),
    ("ＡＢ", "AB"),
]


@pytest.mark.parametrize(("label", "reference"), LABELS)
def test_labels_are_normalised(tmp_path: Path, label: str, reference: str) -> None:
    found = mmcu.read(workbook(tmp_path, "法律", Sheet1=[HEADER, [*ORGAN[:-1], label]]))
    assert found.items[0].reference == reference
    assert value(found, reference[::-1]) == 1.0


REPLIES = [
    ("C", "C"),
    ("正确答案的序号是：C", "C"),
    ("A、C。", "AC"),
    ("C, A", "C"),
    ("A.B.C", "ABC"),
    ("答案是AAB或者C", "C"),
    ("ＡＢ", "AB"),
    ("选a", None),
    ("皮肤", None),
    ("E", None),
    ("AI认为选C", "A"),
    ("ABCDA", "ABCD"),
]


@pytest.mark.parametrize(("reply", "letters"), REPLIES)
def test_extraction_follows_the_authors_rule(reply: str, letters: str | None) -> None:
    assert mmcu.extract(reply) == letters


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
    assert answered(found, reply) == [ItemScore("mmcu-psychology-0001", expected, reason)]


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


@pytest.mark.parametrize(
    ("row", "part"),
    [
        (["", "1", "2", "3", "4", "A"], "the question is empty"),
        (["题", "1", "2", "3", "4", "E"], "'E' is not among the options ABCD"),
        (["题", "1", "2", "3", None, "AD"], "'AD' is not among the options ABC"),
        (["题", "1", "2", "3", "4", "3"], "'3' is not among"),
        (["题", "1", "2", "3", "4", "AB和C"], "is not among"),
        (["题", "1", "2", "3", "4", None], "the answer (the last column) is empty"),
        (["题", "1", None, None, None, "A"], "1 options found"),
    ],
)
def test_bad_rows_are_all_named_with_file_sheet_and_row(
    tmp_path: Path, row: list[object], part: str
) -> None:
    folder = workbook(tmp_path, "法律", 表=[HEADER, ORGAN, row, ORGAN, row])
    with pytest.raises(DataError) as caught:
        mmcu.read(folder)
    message = str(caught.value)
    assert "2 problems" in message
    assert "法律.xlsx, sheet '表', row 3 (mmcu-law-0002): " in message
    assert "row 5" in message
    assert part in message


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


@pytest.mark.parametrize(
    ("name", "sheets", "part"),
    [
        ("物理", {"S": [HEADER, ORGAN]}, "unknown subject '物理'"),
        ("法律", {"S": [HEADER, ORGAN], "T": [HEADER, ORGAN]}, "2 sheets hold text (S, T)"),
        ("法律", {"S": [ORGAN, ORGAN]}, "row 1 ends in the answer 'C'"),
        ("法律", {"S": [["题目", "答案"], ["题", "A"]]}, "2 columns hold text"),
        ("法律", {"S": []}, "no sheet holds a question"),
        ("法律", {"S": [HEADER]}, "holds no question"),
    ],
)
def test_what_is_no_workbook_of_mmcu_is_refused(
    tmp_path: Path, name: str, sheets: dict[str, Any], part: str
) -> None:
    with pytest.raises(DataError) as caught:
        mmcu.read(workbook(tmp_path, name, **sheets))
    assert part in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a workbook", b"PK\x03\x04 cut"])
def test_a_broken_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "法律.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=r"法律\.xlsx is no readable \.xlsx"):
        mmcu.read(tmp_path)


@pytest.mark.parametrize(
    ("record", "part"),
    [
        ("text", "not an object"),
        ({"题目": "t"}, "no text in '类别'"),
        (FLAT | {"答案": ["D"]}, "no text in '答案'"),
        (FLAT | {"类别": "音乐"}, "unknown subject '音乐'"),
        (FLAT | {"选项": "家庭 大学"}, "0 options found"),
        (FLAT | {"选项": "A:1\nA:2"}, "labelled AA"),
        (FLAT | {"答案": ""}, "is empty"),
    ],
)
def test_a_bad_record_is_refused_with_its_line(tmp_path: Path, record: object, part: str) -> None:
    with pytest.raises(DataError) as caught:
        mmcu.read(flat(tmp_path, FLAT, record))
    assert "record 2" in str(caught.value)
    assert part in str(caught.value)


def test_a_missing_path_says_where_the_set_is_from(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError, match=r"CC BY-NC-SA 4\.0.*eval\.benchmarks\.mmcu\.path="):
            mmcu.read(path)


def test_two_layouts_in_one_folder_are_refused(tmp_path: Path) -> None:
    workbook(tmp_path, "法律", Sheet1=[HEADER, ORGAN])
    flat(tmp_path, FLAT).rename(tmp_path / "test.json")
    with pytest.raises(DataError, match="name one of them"):
        mmcu.read(tmp_path)


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
