"""Answers made elsewhere: published folders, JSON and harness samples become marked rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunegrid.cells import import_predictions, state
from tunegrid.cli import main
from tunegrid.config.errors import ConfigError, DataError
from tunegrid.evaluation.benchmarks import belle
from tunegrid.evaluation.imported import answers as elsewhere
from tunegrid.reports import rows
from tunegrid.store import run_directory

PUBLISHED: dict[str, dict[str, Any]] = {
    "chatglm6b": {
        "right": 3362,
        "accuracy": (34.30, 16.91, 28.85, 35.82, 28.97, 28.38),
        "accuracy_of_subjects": (0.338, 0.169, 0.288, 0.333, 0.282),
    },
    "bloomz_560m": {
        "right": 2708,
        "accuracy": (30.58, 16.35, 20.05, 25.25, 23.06, 22.86),
    },
}


CATEGORIES = ("medicine", "law", "psychology", "education", "average", "all")


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_outputs_become_a_row_with_the_published_numbers(
    model: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared_data / "mmcu_outputs" / model
    command = ["import-predictions", "mmcu", str(folder), "--name", model, "--json"]
    assert run([*command, "--results", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    by_row = {(row["category"], row["metric"]): row for row in found}
    assert by_row["all", "right"]["value"] == PUBLISHED[model]["right"]
    assert by_row["all", "accuracy"]["items"] == 11845
    for metric, digits in (("accuracy", 2), ("accuracy_of_subjects", 3)):
        for category, value in zip(CATEGORIES, PUBLISHED[model].get(metric, ()), strict=False):
            # The authors print with python's float format, not rounded half up.
            assert f"{by_row[category, metric]['value']:.{digits}f}" == f"{value:.{digits}f}"
    assert {row["kind"] for row in found} == {"imported"}
    metrics = rows.metric_rows(run_directory.finished_runs(tmp_path))
    assert metrics == found
    # Again: the same files under the same name change nothing.
    assert run([*command, "--results", str(tmp_path)]) == 0
    assert rows.metric_rows(run_directory.finished_runs(tmp_path)) == metrics


def folder(tmp_path: Path, **files: str) -> Path:
    place = tmp_path / "answers"
    place.mkdir()
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    return place


GOOD = "D|||D|||True\n未成功回答|||AC\n|||False\nA|||B|||False\n"


def test_json_beside_the_benchmarks_own_fields(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    item = {"类别": "心理", "题目": "t", "选项": "A:1\nB:2", "答案": "B"}
    lines = [{**item, "题目": "t1", "prediction": "B"}, {**item, "题目": "t2", "prediction": "A"}]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    given = import_predictions.read("mmcu", path, None, sets=False)
    summary = import_predictions.write(tmp_path / "results", "row", "mmcu", given, None)
    assert summary["measurements"][0]["value"] == 50.0
    run = import_predictions.run_directory(tmp_path / "results", "row")
    assert state.of_run(run.path).status.value == "done"


def belle_items(tmp_path: Path) -> Path:
    path = tmp_path / "eval_set.json"
    records = [
        {"question": f"q{n}", "std_answer": f"reference {n}", "class": "open qa"} for n in range(3)
    ]
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def answers(tmp_path: Path, *records: dict[str, Any]) -> Path:
    path = tmp_path / "given.json"
    path.write_text(json.dumps(list(records)), encoding="utf-8")
    return path


def test_json_with_the_items_in_another_file(tmp_path: Path) -> None:
    benchmark = belle.read(belle_items(tmp_path))
    path = answers(
        tmp_path,
        {"question": "q2", "output": "two"},
        {"identifier": "belle-0001", "output": "nought"},
        {"id": "belle-0002", "output": "one"},
    )
    given = elsewhere.read_records_of(benchmark, path, is_own=False)
    assert given.answers == ("nought", "one", "two")


@pytest.mark.parametrize(
    ("records", "part"),
    [
        ([{"identifier": "belle-0001", "output": "x"}], "2 of 3 items have no answer"),
        ([{"identifier": "belle-0001"}], "no answer in prediction"),
        ([{"identifier": "other", "output": "x"}], "no item of belle"),
        ([{"question": "q1", "output": "x"}] * 2, "a second answer to belle-0002"),
    ],
)
def test_answers_that_do_not_fit_the_items_are_refused(
    tmp_path: Path, records: list[dict[str, Any]], part: str
) -> None:
    benchmark = belle.read(belle_items(tmp_path))
    with pytest.raises(DataError) as caught:
        elsewhere.read_records_of(benchmark, answers(tmp_path, *records), is_own=False)
    assert part in str(caught.value)


def test_imported_belle_answers_are_rated_by_a_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [{"identifier": f"belle-{n:04d}", "text": f"reference {n - 1}"} for n in (1, 2, 3)]
    command = ["import-predictions", "belle", str(answers(tmp_path, *records)), "--name", "[b]x"]
    command += ["--items", str(belle_items(tmp_path)), "--results", str(tmp_path / "r")]
    assert run(command) == 0
    assert "[b]x" in capsys.readouterr().out, "a name is not markup"
    assert run([*command, "--json"]) == 0
    (row, _) = json.loads(capsys.readouterr().out)
    assert (row["category"], row["judge"], row["base"]) == ("open_qa", "reference", "[b]x")
    assert row["value"] == pytest.approx(100.0)


def test_a_row_is_never_overwritten_with_other_answers(tmp_path: Path) -> None:
    place = folder(tmp_path, 心理=GOOD)
    given = import_predictions.read("mmcu", place, None, sets=False)
    import_predictions.write(tmp_path, "row", "mmcu", given, None)
    (place / "心理").write_text("D|||D|||True\n", encoding="utf-8")
    other = import_predictions.read("mmcu", place, None, sets=False)
    with pytest.raises(ConfigError, match="other answers to mmcu"):
        import_predictions.write(tmp_path, "row", "mmcu", other, None)
    import_predictions.write(tmp_path, "another row", "mmcu", other, None)


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_a_row_needs_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        import_predictions.run_directory(tmp_path, name)


def test_unknown_benchmarks_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        import_predictions.read("mmcu", tmp_path / "nothing", None, sets=False)
    with pytest.raises(ConfigError, match="belle, mmcu"):
        import_predictions.read("ceval", answers(tmp_path, {}), None, sets=False)


@pytest.mark.parametrize("name", ["NA", "null", "nan"])
def test_a_name_that_tables_would_lose_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="missing value"):
        import_predictions.run_directory(tmp_path, name)
