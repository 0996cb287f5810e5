"""A trained run whose newest evaluation failed: every command says so, and in the same words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doubles.whole_cells import only_run
from tunegrid.store import run_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SETTINGS = (
    "train.max_steps=4", "train.examples_per_step=4", "train.checkpoints_per_epoch=0",
    "eval.limit=4", "eval.benchmarks.belle.max_new_tokens=8",
    "runtime.threads=1", "runtime.progress=false",
)  # fmt: skip
SWEEP = """\
defaults:
  - config
  - override hydra/sweeper: grid
  - _self_
hydra:
  mode: MULTIRUN
  sweeper:
    grids:
      - seed: [0]
"""
SENTENCE = "trained; evaluation of mmcu failed: StoreError: "
FINISHED = ("done", "suspect")


class Project:
    """The commands of a user with one results directory and two sweeps of one training."""

    def __init__(self, project: Path, directory: Path) -> None:
        self.project = project
        self.results = directory / "results"
        self.sweeps = directory / "sweeps"
        self.sweeps.mkdir()
        without_mmcu = "eval:\n  benchmarks:\n    mmcu: null\n"
        (self.sweeps / "one_benchmark.yaml").write_text(SWEEP + without_mmcu)
        (self.sweeps / "two_benchmarks.yaml").write_text(SWEEP)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(self.project / "run.py"), *words, *SETTINGS]
        return self._ended([*command, f"runtime.results={self.results}"])

    def sweep(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("-cd", str(self.sweeps), "-cn", name, *words)

    def status(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the one row of `tunegrid status`."""
        command = [sys.executable, "-m", "tunegrid.cli", "status", *words, "--json"]
        done = self._ended([*command, "--results", str(self.results)])
        (row,) = json.loads(done.stdout)
        return done.returncode, row

    def states(self) -> dict[str, tuple[int, str]]:
        """Return what each way to ask says, with its exit code."""
        code, row = self.status()
        said = {"runs": (code, row["status"])}
        for name in ("one_benchmark", "two_benchmarks"):
            code, row = self.status(name)
            said[name] = (code, row["state"])
        return said

    def _ended(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, cwd=self.project, timeout=1000
        )


@pytest.fixture(scope="module")
def broken(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A training whose answers to MMCU were cut off after they were made, and its launch after."""
    commands = Project(project, tmp_path_factory.mktemp("failed"))
    for name in ("one_benchmark", "two_benchmarks"):
        done = commands.sweep(name)
        assert done.returncode == 0, done.stderr
    said = commands.states()
    assert said
    assert all(code == 0 and state in FINISHED for code, state in said.values()), said
    run = only_run(commands.results)
    (answers,) = (run.path / run_files.PREDICTIONS).glob("mmcu-*.jsonl")
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:2]))
    for path in (run.path / run_files.SCORES).glob("mmcu-*"):
        path.unlink()
    done = commands.sweep("two_benchmarks")
    assert done.returncode == 1, done.stderr
    assert SENTENCE in done.stderr
    return commands


def test_every_command_says_the_same_sentence(broken: Project) -> None:
    said = broken.states()
    assert said["runs"] == (1, "failed")
    assert said["two_benchmarks"] == (1, "failed")
    # What the other sweep asked of the same training is there.
    assert said["one_benchmark"][0] == 0
    assert said["one_benchmark"][1] in FINISHED
    assert broken.status()[1]["error"].startswith(SENTENCE)
    assert broken.status("two_benchmarks")[1]["remark"].startswith(SENTENCE)
    noted = only_run(broken.results).read(run_files.FAILED)
    assert noted["score_id"].startswith(f"{noted['prediction_id']}-")
    assert noted["benchmark"] == "mmcu"
    plan = broken.sweep("two_benchmarks", "stage=plan")
    assert plan.returncode == 0, plan.stderr
    assert "1 cell: 1 failed" in plan.stdout
    assert SENTENCE.strip() in " ".join(plan.stdout.split())


def test_the_next_launch_works_on_it_and_never_ends_with_0(broken: Project) -> None:
    before = (only_run(broken.results).path / run_files.TRAINED).stat().st_mtime_ns
    again = broken.sweep("two_benchmarks")
    assert "0 of them done already, 1 to run" in again.stderr
    assert again.returncode == 1
    kept = broken.sweep("two_benchmarks", "runtime.retry=none")
    assert "0 of them done already, 0 to run" in kept.stderr
    assert kept.returncode == 1
    alone = broken.run()
    assert alone.returncode == 1
    assert SENTENCE in alone.stderr
    other = broken.sweep("one_benchmark")
    assert "1 of them done already, 0 to run" in other.stderr
    assert other.returncode == 0
    assert "failed" not in other.stdout + other.stderr
    assert (only_run(broken.results).path / run_files.TRAINED).stat().st_mtime_ns == before


def test_mended_it_is_done_everywhere(broken: Project) -> None:
    run = only_run(broken.results)
    (answers,) = (run.path / run_files.PREDICTIONS).glob("mmcu-*.jsonl")
    answers.unlink()
    done = broken.sweep("two_benchmarks")
    assert done.returncode == 0, done.stderr
    assert not run.has(run_files.FAILED)
    said = broken.states()
    assert said
    assert all(code == 0 and state in FINISHED for code, state in said.values()), said
    alone = broken.run()
    assert alone.returncode == 0
    assert "is finished already; nothing was run" in alone.stderr
