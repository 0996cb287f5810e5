"""`tunegrid tables <sweep>` on the miniature, without any run of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doubles.synthetic_runs import make
from tunegrid.cli.main import main


def ended(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["tables", *words])
    return int(str(end.value.code))


def test_declared_and_other_sweeps_have_their_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, 1)
    assert ended("mini_peft_methods", "--results", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "SadapterH-l" in said
    assert "python run.py -cd sweeps -cn mini_peft_methods peft=sadapter_h_large" in said
    written = {one.name for one in (tmp_path / "tables").iterdir()}
    assert {f"mini_methods.{end}" for end in ("md", "tex", "csv", "html")} <= written
    assert ended("mini_prompt_language", "--json", "--results", str(tmp_path)) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["row"] for row in rows} >= {"mini_llama, english", "mini_bloom, chinese"}


def test_a_damaged_run_is_named_and_the_table_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (make(tmp_path, 1) / "train.json").write_text("{", encoding="utf-8")
    assert ended("mini_prompt_language", "--results", str(tmp_path)) == 1
    captured = capsys.readouterr()
    assert "was left out" in captured.err
    assert (tmp_path / "tables" / "mini_prompt_language.md").exists()
