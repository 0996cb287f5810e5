"""Whole cells as a user runs them: killed, stopped, continued, repeated, extended."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from doubles.whole_cells import only_run, popen
from tunegrid.store import run_files
from tunegrid.store.lock import Lock, owner
from tunegrid.store.run_directory import RunDirectory

pytestmark = pytest.mark.slow

SMALL = [
    "train.max_steps=24",
    "train.examples_per_step=4",
    # Every step can be continued from.
    "train.checkpoints_per_epoch=1000000",
    "eval.limit=6",
    "runtime.threads=1",
    "runtime.progress=false",
]


def command(project: Path, results: Path, *words: str) -> list[str]:
    return [sys.executable, str(project / "run.py"), *SMALL, f"runtime.results={results}", *words]


def run(project: Path, results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(project, results, *words),
        capture_output=True,
        text=True,
        cwd=results.parent,
        timeout=300,
    )


def start(project: Path, results: Path, *words: str) -> subprocess.Popen[str]:
    return popen(command(project, results, *words), results.parent)


def wait_for_step(results: Path, step: int) -> RunDirectory:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for curve in (results / "runs").glob("*/train.jsonl"):
            if len(curve.read_text().splitlines()) >= step:
                return RunDirectory(curve.parent)
        time.sleep(0.02)
    raise AssertionError(f"no training reached step {step}")


def adapter_bytes(directory: RunDirectory) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(directory.adapter.iterdir())}


def prediction_lines(directory: RunDirectory) -> dict[str, list[object]]:
    folder = directory.path / run_files.PREDICTIONS
    return {
        p.name: directory.read_lines(f"{run_files.PREDICTIONS}/{p.name}") for p in folder.iterdir()
    }


def losses(directory: RunDirectory) -> list[tuple[int, float]]:
    return [(r["step"], r["loss"]) for r in directory.read_lines(run_files.CURVE) if "loss" in r]


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    done = run(project, results)
    assert done.returncode == 0, done.stderr
    assert "scored by the judge reference" in done.stdout
    return only_run(results)


def test_a_cell_leaves_its_rows_in_the_tables(undisturbed: RunDirectory) -> None:
    results = undisturbed.path.parents[1]
    for table in ("runs.csv", "metrics.csv"):
        with (results / "tables" / table).open(encoding="utf-8", newline="") as file:
            names = {row["train_id"] for row in csv.DictReader(file)}
        assert names == {undisturbed.path.name}


def test_a_killed_cell_ends_as_if_undisturbed(
    project: Path, tmp_path: Path, undisturbed: RunDirectory
) -> None:
    """`kill -9` of every process in mid-training, then the same command."""
    results = tmp_path / "results"
    process = start(project, results)
    directory = wait_for_step(results, 9)
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in tree:
        one.kill()
    process.communicate()
    assert not directory.has(run_files.TRAINED)
    before = len(losses(directory))
    done = run(project, results)
    assert done.returncode == 0, done.stderr
    report = directory.read(run_files.TRAINED)
    assert report["resumed_from"] is not None
    assert before - 2 <= report["resumed_from"] <= before, "at most the last step is lost"
    assert adapter_bytes(directory) == adapter_bytes(undisturbed)
    assert prediction_lines(directory) == prediction_lines(undisturbed)
    assert losses(directory) == losses(undisturbed), "one record a step, none lost, none twice"


def test_ctrl_c_stops_after_the_step_and_the_same_command_continues(
    project: Path, tmp_path: Path, undisturbed: RunDirectory
) -> None:
    results = tmp_path / "results"
    process = start(project, results)
    directory = wait_for_step(results, 3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "the same command continues" in errors
    assert not directory.has(run_files.FAILED)
    assert not directory.has(run_files.LOCK)
    stopped_at = losses(directory)[-1][0]
    done = run(project, results)
    assert done.returncode == 0, done.stderr
    assert directory.read(run_files.TRAINED)["resumed_from"] == stopped_at, "no step is repeated"
    assert adapter_bytes(directory) == adapter_bytes(undisturbed)


def test_a_killed_launcher_leaves_no_child_behind(project: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    process = start(project, results)
    directory = wait_for_step(results, 2)
    holder = psutil.Process(json.loads((directory.path / run_files.LOCK).read_text())["pid"])
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    holder.wait(timeout=60)
    assert not directory.has(run_files.LOCK), "the child stopped by itself, with a checkpoint"
    assert list(directory.checkpoints.iterdir())


def test_a_cell_that_is_passed_over_stops_and_goes_on_when_it_may(
    project: Path, tmp_path: Path, undisturbed: RunDirectory
) -> None:
    """Another container takes its lock while it trains: it writes nothing until that one ends."""
    results = tmp_path / "results"
    process = start(project, results)
    directory = wait_for_step(results, 3)
    path = directory.path / run_files.LOCK
    trains = psutil.Process(owner(path)["pid"])
    path.write_text(json.dumps(owner(path) | {"pid_namespace": "another"}))
    os.utime(path, (1, 1))
    with Lock(path):
        before = contents(directory)
        trains.wait(timeout=60)
        assert contents(directory) == before
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert [line["what"] for line in directory.read_lines(run_files.ATTEMPTS)] == [
        "begins", "begins", "trained"
    ]  # fmt: skip
    assert not directory.has(run_files.FAILED)
    assert not list(directory.path.glob(f"{run_files.LOCK}*"))
    assert losses(directory) == losses(undisturbed)
    assert adapter_bytes(directory) == adapter_bytes(undisturbed)


def contents(directory: RunDirectory) -> dict[Path, bytes]:
    """What a run holds, without what belongs to its lock."""
    files = [path for path in directory.path.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files if run_files.LOCK not in str(path)}


def test_a_killed_child_is_a_failed_cell_with_its_reason(project: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    process = start(project, results)
    directory = wait_for_step(results, 2)
    os.kill(json.loads((directory.path / run_files.LOCK).read_text())["pid"], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "SIGKILL" in errors
    assert "SIGKILL" in directory.read(run_files.FAILED)["error"]


def test_a_finished_cell_does_nothing_and_a_new_benchmark_trains_nothing(
    project: Path, undisturbed: RunDirectory
) -> None:
    results = undisturbed.path.parents[1]
    before = (undisturbed.path / run_files.TRAINED).stat().st_mtime_ns
    again = run(project, results)
    assert again.returncode == 0
    assert "is finished already; nothing was run" in again.stderr
    assert "average" in again.stdout
    further = run(project, results, "eval.limit=7")
    assert further.returncode == 0, further.stderr
    assert (undisturbed.path / run_files.TRAINED).stat().st_mtime_ns == before
    assert len(list((undisturbed.path / run_files.PREDICTIONS).iterdir())) == 4


def test_the_reloaded_adapter_answers_as_the_trained_model_did(
    project: Path, undisturbed: RunDirectory
) -> None:
    results = undisturbed.path.parents[1]
    answered = prediction_lines(undisturbed)
    for name in answered:
        (undisturbed.path / run_files.PREDICTIONS / name).unlink()
    undisturbed.remove(run_files.SCORES)
    assert run(project, results).returncode == 0
    repeated = prediction_lines(undisturbed)
    assert repeated
    assert all(repeated[name] == answered[name] for name in repeated)


def test_a_refused_architecture_starts_nothing(project: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = run(project, results, "peft.options.target_modules=[q_prj]")
    assert done.returncode == 2
    assert "q_proj" in done.stderr, "what would be accepted is named"
    assert not list(results.glob("runs/*/cell.json"))


def test_a_broken_data_file_is_a_failed_cell_that_can_be_mended(
    project: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    data = tmp_path / "data.json"
    good = '{"instruction": "a", "input": "", "output": "b"}'
    data.write_text(f"[{good},\n{good},\n{{broken}}]")
    words = ["data=files", f"data.files=[{data}]", "train.max_steps=1", "eval=none"]
    done = run(project, results, *words)
    assert done.returncode == 1
    assert f"{data}" in done.stderr
    assert "line 3" in done.stderr
    failed = only_run(results)
    assert failed.read(run_files.FAILED)["stage"] == "train"
    data.write_text(f"[{good},\n{good}]")
    assert run(project, results, *words).returncode == 0


def test_a_local_judge_that_gives_no_scores_leaves_the_cell_incomplete(
    project: Path, tmp_path: Path
) -> None:
    """A miniature base as the judge babbles: every item is accounted for, no mean is given."""
    results = tmp_path / "results"
    base = project / "assets" / "miniature" / "llama"
    words = ["peft=none", "judge=local", f"judge.options.path={base}", "eval.benchmarks.mmcu=null"]
    done = run(project, results, *words, "judge.options.max_tokens=16")
    assert done.returncode == 1
    assert "is incomplete" in done.stderr
    (summary,) = (only_run(results).path / run_files.SCORES).glob("*.json")
    written = json.loads(summary.read_text())
    assert written["incomplete"] is True
    assert sum(written["problems"].values()) == 6
    assert all(row["value"] is None for row in written["measurements"] if row["unscored"])


def test_finished_cells_answer_a_further_benchmark_from_the_command_line(
    project: Path, undisturbed: RunDirectory
) -> None:
    results = undisturbed.path.parents[1]
    before = len(list((undisturbed.path / run_files.PREDICTIONS).iterdir()))
    command = "from tunegrid.cli.main import main; main()"
    words = ["predict", undisturbed.path.name, "eval.limit=5", "--results", str(results)]
    done = subprocess.run(
        [sys.executable, "-c", command, *words],
        capture_output=True,
        text=True,
        cwd=project,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((undisturbed.path / run_files.PREDICTIONS).iterdir())) == before + 2
