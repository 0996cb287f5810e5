"""Sweeps: products united, duplicates dropped, nothing excluded by mistake, all checked first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def start(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=project, timeout=500)


def test_nothing_starts_when_one_cell_cannot_be_run(project: Path, tmp_path: Path) -> None:
    done = start(
        project, "-m", "train.epochs=1,0", "seed=0,1", f"runtime.results={tmp_path / 'results'}"
    )
    assert done.returncode == 2, done.stderr
    assert "2 of 4 cells cannot be run; nothing was started" in done.stderr
    assert "[train.epochs=0 seed=1]" in done.stderr
    assert not list(tmp_path.glob("results/runs/*/cell.json"))


def test_a_misspelled_sweep_has_a_suggestion(project: Path, tmp_path: Path) -> None:
    words = ["-cd", "sweeps", "-cn", "mini_stdy", f"runtime.results={tmp_path}"]
    done = start(project, *words)
    assert done.returncode == 2
    assert "did you mean 'mini_study'?" in done.stderr


def test_a_problem_of_many_cells_is_said_once(project: Path, tmp_path: Path) -> None:
    words = ["-m", "seed=range(0,8)", "train.epochs=0", f"runtime.results={tmp_path}"]
    done = start(project, *words)
    assert done.returncode == 2
    assert "8 of 8 cells cannot be run" in done.stderr
    assert done.stderr.count("train.epochs is 0") == 1
    assert "in 8 cells: [seed=0]" in done.stderr
    assert "and 3 more" in done.stderr


def test_a_sweep_files_words_are_checked_like_the_command_lines(
    project: Path, tmp_path: Path
) -> None:
    """Options need no +, a misspelled choice has a suggestion, text is quoted."""
    file = tmp_path / "words.yaml"
    head = "defaults:\n  - config\n  - override hydra/sweeper: grid\n  - _self_\nhydra:\n"
    head += "  mode: MULTIRUN\n  sweeper:\n    grids:\n"
    words = ["-cd", str(tmp_path), "-cn", "words", f"runtime.results={tmp_path}"]
    file.write_text(head + "      - {peft: [nonne]}\n")
    done = start(project, *words)
    assert done.returncode == 2
    assert "did you mean 'none'?" in done.stderr
    file.write_text(head + '      - {peft.options.r: [0], prompt.stop: ["a,b", "{z}"]}\n')
    done = start(project, *words)
    assert done.returncode == 2
    assert "2 of 2 cells cannot be run" in done.stderr
    assert "peft.options.r is 0" in done.stderr


@pytest.mark.slow
def test_a_file_with_exclusions_can_be_narrowed_and_widened(project: Path, tmp_path: Path) -> None:
    head = "defaults:\n  - config\n  - override hydra/sweeper: grid\n  - _self_\nhydra:\n"
    head += "  mode: MULTIRUN\n  sweeper:\n    grids:\n"
    (tmp_path / "some.yaml").write_text(
        head + "      - {peft: lora, peft.options.r: [4, 8], seed: [0, 1]}\n"
        "    exclude:\n      - {peft.options.r: 8, seed: 1}\n"
    )
    words = ["-cd", str(tmp_path), "-cn", "some", f"runtime.results={tmp_path}", "stage=check"]
    narrowed = start(project, *words, "seed=0")
    assert narrowed.returncode == 0, narrowed.stderr
    assert "2 cells can be run" in narrowed.stderr
    widened = start(project, *words, "peft.options.r=8,16")
    assert widened.returncode == 0, widened.stderr
    assert "3 cells can be run" in widened.stderr


def test_a_grid_of_a_typing_error_is_refused_at_once(project: Path, tmp_path: Path) -> None:
    done = start(project, "-m", "seed=range(0,20000)", f"runtime.results={tmp_path}")
    assert done.returncode == 2
    assert "the sweep has 20,000 cells, more than runtime.max_cells=2000" in done.stderr


@pytest.mark.parametrize(
    "word", ["++stage=plan", pytest.param("stage='plan'", marks=pytest.mark.slow)]
)
def test_a_plan_never_runs_however_it_is_written(project: Path, tmp_path: Path, word: str) -> None:
    done = start(project, "-m", word, "seed=0,1", f"runtime.results={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "2 trainings" in done.stdout
    assert not list(tmp_path.glob("runs/*/cell.json"))


@pytest.mark.parametrize("setting", ["runtime.parallel=0", "runtime.memory_limit_gb=0"])
def test_settings_that_would_never_start_anything(
    project: Path, tmp_path: Path, setting: str
) -> None:
    done = start(project, "-m", "seed=0,1", setting, f"runtime.results={tmp_path}")
    assert done.returncode == 2
    assert setting.partition("=")[0] in done.stderr


def test_a_sweep_file_and_its_limit(project: Path, tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text(
        "defaults:\n  - config\n  - override hydra/sweeper: grid\n  - _self_\n"
        "runtime:\n  max_cells: 3\nhydra:\n  mode: MULTIRUN\n  sweeper:\n"
        "    grids:\n      - {seed: [0, 1], peft: [lora, none]}\n"
    )
    done = start(project, "-cd", str(tmp_path), "-cn", "many", f"runtime.results={tmp_path}")
    assert done.returncode == 2
    assert "the sweep has 4 cells, more than runtime.max_cells=3" in done.stderr


def test_the_devices_of_a_login_node_say_nothing_of_cells_that_run_on_others(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    words = ["-m", "seed=0,1", "stage=check", "runtime.device=cuda", f"runtime.results={tmp_path}"]
    here = start(project, *words)
    assert here.returncode == 2
    assert "torch sees no GPU" in here.stderr
    there = start(project, *words, "hydra/launcher=slurm")
    assert there.returncode == 0, there.stderr
    assert "2 cells can be run" in there.stderr
