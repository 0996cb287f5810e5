"""Run directories become tidy rows; what is missing is missing, never a number."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tunegrid.cli import main, output
from tunegrid.reports import paired, rows, terminal
from tunegrid.store import run_files
from tunegrid.store.lock import Lock
from tunegrid.store.run_directory import RunDirectory


def make_run(results: Path, name: str, seed: int = 0, method: str = "lora") -> RunDirectory:
    run = RunDirectory(results / "runs" / name)
    run.create()
    function = None if method == "none" else "f"
    config = {
        "model": {"name": "base"},
        "peft": {"name": method, "function": function},
        "data": {"name": "mini"},
        "train": {"name": "default"},
        "prompt": {"name": "english"},
        "quantization": {"name": "fp32"},
        "seed": seed,
    }
    identity = {"peft": {"name": method}, "seed": seed, "prompt": {"name": "english"}}
    run.write(run_files.CELL, {"train_id": name, "config": config, "identity": identity})
    return run


def add_scores(run: RunDirectory, values: dict[str, float | None]) -> None:
    summary = {
        "score_id": "quiz-1",
        "benchmark": "quiz",
        "version": "1",
        "judge": "rule",
        "suspect": [],
        "measurements": [
            {
                "category": "average",
                "metric": "accuracy",
                "value": 50.0,
                "items": 2,
                "unscored": 0,
                "standard_error": 35.4,
            }
        ],
    }
    run.write_lines(
        "scores/quiz-1.jsonl",
        [{"identifier": k, "value": v, "category": "c"} for k, v in values.items()],
    )
    run.write("scores/quiz-1.json", summary)


def test_metric_rows_name_the_cell_and_the_measurement(tmp_path: Path) -> None:
    run = make_run(tmp_path, "a", seed=3)
    add_scores(run, {"1": 1.0, "2": 0.0})
    (row,) = rows.metric_rows([run])
    assert tuple(row) == rows.METRIC_COLUMNS
    assert (row["base"], row["seed"], row["value"], row["items"]) == ("base", 3, 50.0, 2)


def test_a_base_without_method_has_no_data_and_no_seed(tmp_path: Path) -> None:
    (row,) = rows.run_rows([make_run(tmp_path, "a", method="none")])
    assert (row["data"], row["train"], row["seed"]) == (None, None, None)


def test_status_follows_the_files(tmp_path: Path) -> None:
    def status() -> tuple[str, str | None]:
        (row,) = rows.run_rows([run])
        return row["status"], row["error"]

    run = make_run(tmp_path, "a")
    assert status() == ("interrupted", None)
    run.write(run_files.RESULTS, {"scores": ["quiz-1"]})
    assert status() == ("interrupted", None), "it was never trained"
    run.write(run_files.TRAINED, {"steps": 1})
    assert status() == ("interrupted", None), "its scores are gone"
    add_scores(run, {"1": 1.0})
    assert status() == ("done", None)
    note = {"stage": "predict other", "error": "ValueError: no\nmore", "traceback": ""}
    run.write(run_files.FAILED, note)
    assert status() == ("failed", "trained; evaluation of other failed: ValueError: no")
    # What is asked of it is there.
    (row,) = rows.run_rows([run], {"a": ["quiz-1"]})
    assert (row["status"], row["error"]) == ("done", None)
    with Lock(run.path / run_files.LOCK):
        assert status() == ("running", None)


def test_suspects_stand_beside_every_number(tmp_path: Path) -> None:
    run = make_run(tmp_path, "a")
    add_scores(run, {"1": 1.0})
    run.write(
        run_files.TRAINED, {"suspect": ["the loss did not fall (1.000 to 2.000)"], "steps": 2}
    )
    assert rows.metric_rows([run])[0]["suspect"] == "the loss did not fall (1.000 to 2.000)"


def test_the_printed_table_marks_suspect_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(make_run(tmp_path, "a"), {"1": 1.0})
    assert command(tmp_path, "tables") == 0
    assert "yes" not in capsys.readouterr().out
    RunDirectory(tmp_path / "runs" / "a").write(run_files.TRAINED, {"suspect": ["no"], "steps": 1})
    assert command(tmp_path, "tables") == 0
    assert "yes" in capsys.readouterr().out


def test_tables_writes_both_files_and_prints_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(make_run(tmp_path, "a"), {"1": 1.0})
    make_run(tmp_path, "b", seed=1)
    with pytest.raises(SystemExit) as ended:
        main.main(["tables", "--json", "--results", str(tmp_path)])
    assert ended.value.code == 0
    printed = capsys.readouterr()
    assert [row["train_id"] for row in json.loads(printed.out)] == ["a"]
    assert "2 cells, 2 of them unfinished; 1 measurements" in printed.err
    with (tmp_path / "tables" / "runs.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [row["train_id"] for row in written] == ["a", "b"]
    # A count with gaps stays a whole number and a gap stays empty.
    assert (written[1]["seed"], written[1]["steps"]) == ("1", "")


def test_differences_are_paired_on_common_items(tmp_path: Path) -> None:
    first, second = make_run(tmp_path, "a"), make_run(tmp_path, "b", seed=1)
    add_scores(first, {"1": 0.0, "2": 0.0, "3": None, "4": 1.0})
    add_scores(second, {"1": 1.0, "2": 0.0, "3": 1.0, "5": 0.0})
    everything = paired.score_rows(first, second)[0]
    assert (everything["items"], everything["first"], everything["second"]) == (2, 0.0, 50.0)
    assert everything["difference"] == 50.0
    assert everything["standard_error"] == pytest.approx(50.0)
    assert paired.setting_rows(first, second) == [{"setting": "seed", "first": 0, "second": 1}]


def test_scores_of_other_decodings_are_not_compared(tmp_path: Path) -> None:
    first, second = make_run(tmp_path, "a"), make_run(tmp_path, "b", seed=1)
    add_scores(first, {"1": 0.0, "2": 0.0})
    add_scores(second, {"1": 1.0, "2": 0.0})
    for run, settings in ((first, "greedy"), (second, "beams")):
        run.write("scores/quiz-1.json", run.read("scores/quiz-1.json") | {"settings": settings})
    assert paired.score_rows(first, second) == []
    second.write("scores/quiz-1.json", second.read("scores/quiz-1.json") | {"settings": "greedy"})
    assert paired.score_rows(first, second)[0]["difference"] == 50.0


def test_answers_that_equal_the_bases_are_suspect_whenever_the_base_is_run(tmp_path: Path) -> None:
    run, base = make_run(tmp_path, "a"), make_run(tmp_path, "base", method="none")
    add_scores(run, {"1": 1.0})
    told = {"prediction_id": "p", "base_prediction": "base/predictions/q.jsonl"}
    run.write("scores/quiz-1.json", run.read("scores/quiz-1.json") | told)
    run.write_lines("predictions/p.jsonl", [{"text": "same"}])
    assert rows.suspects(run) == []
    base.write_lines("predictions/q.jsonl", [{"text": "same"}])
    assert rows.suspects(run) == [
        "quiz: every answer equals the untuned base's: the adapter has no effect"
    ]
    base.write_lines("predictions/q.jsonl", [{"text": "another"}])
    assert rows.suspects(run) == []


def test_a_damaged_run_is_named_and_the_others_keep_their_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(make_run(tmp_path, "a"), {"1": 1.0})
    make_run(tmp_path, "b").write(run_files.CELL, {})
    (make_run(tmp_path, "c").path / run_files.CELL).write_text("no json")
    assert command(tmp_path, "tables") == 1
    printed = capsys.readouterr()
    assert "runs/b was left out" in printed.err
    assert "runs/c was left out" in printed.err
    assert "1 measurements" in printed.err


def test_markup_in_names_and_answers_is_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path, "a")
    add_scores(run, {"1": 1.0})
    summary = run.read("scores/quiz-1.json") | {"suspect": ["answers are '[/b]'"], "note": "[/x]"}
    run.write("scores/quiz-1.json", summary)
    run.write(run_files.RESULTS, {"scores": ["quiz-1"]})
    terminal.print_cell(run)
    assert "answers are '[/b]'" in capsys.readouterr().out


def command(tmp_path: Path, *words: str) -> Any:
    with pytest.raises(SystemExit) as ended:
        main.main([*words, "--results", str(tmp_path)])
    return ended.value.code


def test_an_unknown_cell_is_refused_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "mini_llama-lora")
    assert command(tmp_path, "diff", "mini_lama-lora", "x") == 2
    assert "did you mean 'mini_llama-lora'" in capsys.readouterr().err


def test_the_beginning_of_a_name_is_enough_when_it_is_unique(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("alpha-1", "alpha-2", "beta-1"):
        make_run(tmp_path, name)
    assert output.find_run(tmp_path, "beta").path.name == "beta-1"
    assert command(tmp_path, "diff", "alpha", "beta") == 2
    assert "'alpha' means 2 cells" in capsys.readouterr().err


def test_no_cells_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(tmp_path, "tables") == 2
    assert "run one with `python run.py`" in capsys.readouterr().err
