"""Cells side by side: the benchmarks' own averages, nothing filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunegrid.reports import side_by_side, terminal
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


def run(results: Path, method: str, scores: dict[str, float], suspect: list[str]) -> RunDirectory:
    made = RunDirectory(results / "runs" / f"base-{method}-1234")
    made.create()
    groups = ("model", "quantization", "data", "prompt", "train")
    config: dict[str, Any] = {group: {"name": group} for group in groups}
    config |= {"peft": {"name": method, "function": "library.attach"}, "seed": 0}
    made.write(run_files.CELL, {"train_id": made.path.name, "config": config})
    made.write(
        run_files.TRAINED,
        {"trainable_parameters": 1234567, "last_tenth_loss": 1.5, "suspect": suspect},
    )
    for benchmark, value in scores.items():
        measurements = [
            {"category": "code", "metric": "score", "value": 1.0, "standard_error": 9.0},
            {"category": "average", "metric": "unparsed", "value": 3.0, "standard_error": None},
            {"category": "average", "metric": "score", "value": value, "standard_error": 2.5},
        ]
        summary = {
            "benchmark": benchmark,
            "score_id": f"{benchmark}-id",
            "measurements": [{"items": 4} | one for one in measurements],
            "suspect": [],
        }
        made.write(f"{run_files.SCORES}/{benchmark}-id.json", summary)
    made.write(run_files.RESULTS, {"scores": [f"{name}-id" for name in scores]})
    return made


def test_a_row_holds_each_benchmarks_average_with_its_error(tmp_path, capsys):
    runs = [
        run(tmp_path, "lora", {"belle": 61.25, "mmcu": 30.0}, []),
        run(tmp_path, "vera", {"belle": 50.0}, ["the loss did not fall"]),
    ]
    columns, rows = side_by_side.rows(runs)
    assert columns == ["belle", "mmcu"]
    assert [row["cell"] for row in rows] == ["lora", "vera"]
    assert rows[0]["belle"] == (61.25, 2.5)
    assert "mmcu" not in rows[1]
    assert rows[1]["suspect"] == "the loss did not fall"
    terminal.print_comparison(runs)
    printed = capsys.readouterr().out
    assert "61.2 ± 2.5" in printed
    assert "1,234,567" in printed
    assert "vera *" in printed
    assert "–" in printed


def test_a_score_that_was_not_asked_for_and_a_cell_without_results_stay_out(tmp_path, capsys):
    asked = run(tmp_path, "lora", {"belle": 61.25, "mmcu": 30.0}, [])
    asked.write(run_files.RESULTS, {"scores": ["mmcu-id"]})
    unfinished = run(tmp_path, "vera", {"belle": 50.0}, [])
    unfinished.remove(run_files.RESULTS)
    columns, rows = side_by_side.rows([asked, unfinished])
    assert columns == ["mmcu"]
    assert len(rows) == 1
    terminal.print_comparison([asked, unfinished])
    assert capsys.readouterr().out == "", "one cell is no comparison"
