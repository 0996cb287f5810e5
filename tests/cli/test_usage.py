"""The help names every group with its options, and answers without loading anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tunegrid.cli import usage


def test_groups_of_all_directories_are_united(tmp_path: Path) -> None:
    for place, file in (("a", "peft/lora"), ("b", "peft/ia3"), ("b", "model/tiny"), ("b", "alone")):
        path = tmp_path / place / f"{file}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    lines = usage.text([tmp_path / "a", tmp_path / "b"]).splitlines()
    assert "  model  tiny" in lines
    assert "  peft   ia3, lora" in lines
    assert not any(line.startswith("  b ") for line in lines)


def test_without_groups_it_still_says_how_to_begin(tmp_path: Path) -> None:
    assert "python run.py" in usage.text([tmp_path])


def test_every_group_of_the_project_is_shown(project: Path) -> None:
    text = usage.text([project / "conf"])
    groups = {path.parent.name for path in (project / "conf").glob("*/*.yaml")}
    assert {"model", "peft", "eval", "judge"} <= groups
    assert all(f"\n  {group} " in text for group in groups)


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["--help"], True), (["peft=lora", "-h"], True), (["--hydra-help"], False), ([], False)],
)
def test_when_it_is_asked_for(words: list[str], expected: bool) -> None:
    assert usage.is_asked(words) is expected


def test_the_command_prints_it_without_hydra_and_torch(project: Path) -> None:
    code = (
        "import sys, runpy; sys.argv = ['run.py', '--help']\n"
        "try:\n    runpy.run_path('run.py', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'hydra'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project)
    assert done.returncode == 0, done.stderr
    assert "quantization" in done.stdout
