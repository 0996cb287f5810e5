"""All cells of the latest launch, and how long they will take together."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from doubles.fabricated_runs import BELLE
from tunegrid.cli import main
from tunegrid.launch.status.states import State
from tunegrid.launch.status.sweep import Snapshot, SweepWatch, seconds_left
from tunegrid.store import json_files, run_files
from tunegrid.store.run_directory import RunDirectory


def status(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main.main(["status", *words])
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def test_a_snapshot_has_every_cell_of_the_launch(
    busy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = status(capsys, "seeds", "--results", str(busy), "--json")
    found = [(row["train_id"], row["state"]) for row in json.loads(out)]
    assert found == [
        ("cell-0", "done"), ("cell-1", "training"), ("cell-2", "failed"), ("cell-3", "waiting"),
        ("cell-4", "unreadable"),
    ]  # fmt: skip
    assert code == 1
    assert "5 cells: 1 done, 1 running, 1 waiting, 1 failed, 1 unreadable" in err


def test_a_sweep_without_failures_ends_with_0(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cell-2", "cell-4"):
        shutil.rmtree(results / "runs" / name)
    assert status(capsys, "seeds", "--results", str(results))[0] == 0


def test_an_unknown_sweep_names_those_that_are_there(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = status(capsys, "seds", "--results", str(results))
    assert code == 2
    assert "did you mean 'seeds'" in err


def test_a_launch_that_ended_early_ends_the_watch(results: Path) -> None:
    path = next((results / "launches").glob("*/*/cells.json"))
    record = json.loads(path.read_text()) | {"pid": 2**22 + 1}
    path.write_text(json.dumps(record))
    watch = SweepWatch(results, "seeds")
    snapshot = watch.look()
    assert not snapshot.is_over
    assert "nobody works on it" in (snapshot.note or "")
    watch._quiet_since = time.time() - 60
    assert watch.look().is_over


def test_a_new_launch_takes_the_place_of_the_old(results: Path) -> None:
    watch = SweepWatch(results, "seeds")
    assert len(watch.look().cells) == 5
    old = next((results / "launches").glob("*/*/cells.json"))
    record = json.loads(old.read_text())
    record["entries"] = record["entries"][:2]
    newer = old.parent.parent / "2021-01-01_00-00-00" / "cells.json"
    json_files.write_text(newer, json.dumps(record))
    assert len(watch.look().cells) == 2


def test_all_runs_can_be_watched_too(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    RunDirectory(results / "runs" / "cell-0").write(run_files.RESULTS, {"scores": [BELLE]})
    found = {cell.train_id: cell.state for cell in SweepWatch(results, None).look().cells}
    assert found == {
        "cell-0": "done", "cell-1": "interrupted", "cell-2": "failed", "cell-4": "unreadable"
    }  # fmt: skip


def state(word: str, left: float | None = None, taken: float | None = None) -> State:
    return State("x", "x", word, seconds_left=left, seconds_taken=taken)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([state("training", 30), state("waiting")], None),
        ([state("training", 30)], 30),
        ([state("done", taken=100), state("training", 30, taken=20), state("waiting")], 180),
        ([state("done", taken=100), state("training", 90, taken=90), state("predicting", 5, 99)],
         90),
        ([state("done", taken=100), state("waiting")], None),
    ],
)  # fmt: skip
def test_the_time_of_a_sweep(cells: list[State], expected: float | None) -> None:
    assert seconds_left(cells) == expected


def test_a_snapshot_loads_no_torch(results: Path) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from tunegrid.launch.status.sweep import SweepWatch; "
        f"SweepWatch(Path({str(results)!r}), 'seeds').look(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_counts_of_a_snapshot() -> None:
    cells = (state("done"), state("training"), state("predicting"), state("waiting"))
    assert Snapshot("x", cells, None, False, None).counts == {"done": 1, "running": 2, "waiting": 1}
