"""A sweep that grows does only what is new."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tunegrid.store import run_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SETTINGS = (
    "train.max_steps=4", "train.examples_per_step=4", "eval.limit=4",
    "eval.benchmarks.belle.max_new_tokens=8", "runtime.progress=false", "runtime.parallel=2",
)  # fmt: skip


def sweep(project: Path, results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [
            sys.executable, str(project / "run.py"), "-m", *SETTINGS, *words,
            f"runtime.results={results}",
        ],
        capture_output=True, text=True, cwd=project, timeout=1000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def trained(results: Path) -> Counter[str]:
    """How often each run was trained."""
    found: Counter[str] = Counter()
    for path in results.glob(f"runs/*/{run_files.ATTEMPTS}"):
        for line in path.read_text(encoding="utf-8").splitlines():
            found[path.parent.name] += json.loads(line)["what"] == "trained"
    return found


def tabled(results: Path) -> set[str]:
    """The cells that results/tables/ has rows of."""
    names = set()
    for table in ("runs.csv", "metrics.csv"):
        with (results / "tables" / table).open(encoding="utf-8", newline="") as file:
            names |= {row["train_id"] for row in csv.DictReader(file)}
    return names


def test_only_what_is_new_is_done(project: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    sweep(project, results, "seed=0,1", "eval.benchmarks.mmcu=null")
    first = trained(results)
    assert sorted(first.values()) == [1, 1]
    # The launch has written the tables itself.
    assert tabled(results) == set(first)
    curves = {path: path.stat().st_mtime_ns for path in results.glob(f"runs/*/{run_files.CURVE}")}

    again = sweep(project, results, "seed=0,1", "eval.benchmarks.mmcu=null")
    assert "2 of them done already, 0 to run" in again.stderr
    assert trained(results) == first

    benchmark = sweep(project, results, "seed=0,1")
    assert "0 of them done already, 2 to run" in benchmark.stderr
    assert trained(results) == first
    assert {path: path.stat().st_mtime_ns for path in curves} == curves
    assert len(list(results.glob("runs/*/scores/mmcu-*.json"))) == 2

    # What was asked before is still done, although more was asked since.
    before = sweep(project, results, "seed=0,1", "eval.benchmarks.mmcu=null")
    assert "2 of them done already, 0 to run" in before.stderr

    method = sweep(project, results, "seed=0,1", "peft=lora,ia3")
    assert "4 cells, 2 of them done already, 2 to run" in method.stderr
    now = trained(results)
    assert {name: now[name] for name in first} == first
    assert sorted(now.values()) == [1, 1, 1, 1]
    assert tabled(results) == set(now)


def test_one_method_at_two_evaluations_is_trained_once(project: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = sweep(project, results, "eval.prompt_suffix=first,second", "eval.benchmarks.mmcu=null")
    assert sorted(trained(results).values()) == [1]
    assert done.stdout.count("lora") >= 2
