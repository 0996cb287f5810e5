"""Finding a run by the beginning of its name, and rows that are printed as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunegrid.cli import output
from tunegrid.config.errors import ConfigError
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name in ("tiny-lora-s0-0a1b", "tiny-lora-s1-2c3d", "tiny-lora-s1-2c3d-more"):
        run = RunDirectory(tmp_path / "runs" / name)
        run.create()
        run.write(run_files.CELL, {"train_id": name})
    return tmp_path


@pytest.mark.parametrize("word", ["tiny-lora-s0-0a1b", "tiny-lora-s0", "0a1b"])
def test_a_run_is_found_by_its_name_its_beginning_or_its_hash(results: Path, word: str) -> None:
    assert output.find_run(results, word).path.name == "tiny-lora-s0-0a1b"


def test_a_whole_name_counts_though_another_begins_with_it(results: Path) -> None:
    assert output.find_run(results, "tiny-lora-s1-2c3d").path.name == "tiny-lora-s1-2c3d"


def test_what_means_several_or_none_is_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"means 3 cells.*write more"):
        output.find_run(results, "tiny")
    with pytest.raises(ConfigError, match="did you mean 'tiny-lora-s0-0a1b'"):
        output.find_run(results, "tiny-lora-s0-0a1x")
    with pytest.raises(ConfigError, match="--results"):
        output.all_runs(tmp_path / "elsewhere")


def test_a_table_shows_names_as_they_are_and_nothing_as_a_dash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [
        {"name": "[bold]x[/bold]", "value": 12.34567},
        {"name": "[q_proj, v_proj]", "value": 1},
        {"name": None, "value": None},
    ]
    output.print_table(rows, ("name", "value"))
    shown = capsys.readouterr().out
    assert " [bold]x[/bold] " in shown
    assert " [q_proj, v_proj] " in shown
    assert "12.35" in shown
    assert "–" in shown


def test_json_is_one_array_with_its_characters(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json([{"name": "狐", "value": None}])
    shown = capsys.readouterr().out
    assert json.loads(shown) == [{"name": "狐", "value": None}]
    assert "狐" in shown


def test_damaged_runs_are_named_and_end_with_1(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(results / "runs" / "x")
    assert output.said([]) == 0
    assert output.said([(run, "no JSON")]) == 1
    assert str(run.path) in capsys.readouterr().err
