"""How far cells are, told from run directories as running, stopped and failed cells leave them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tunegrid.cli import main
from tunegrid.launch.status import progress, states, table
from tunegrid.launch.status.states import Looker, State, Watched
from tunegrid.launch.status.sweep import Snapshot, SweepWatch, seconds_left
from tunegrid.store import json_files, lock, process_identity, run_directory, run_files
from tunegrid.store.run_directory import RunDirectory

HASH = "0123456789ab"
BELLE, MMCU = f"belle-{HASH}-reference-{HASH}", f"mmcu-{HASH}-rule-{HASH}"


def settings(seed: int = 0, retry: str = "failed", method: str = "lora") -> dict[str, Any]:
    named = {group: {"name": group} for group in ("model", "quantization", "data", "prompt")}
    return {
        **named,
        "peft": {"name": method, "function": None if method == "none" else "x.attach"},
        "train": {"name": "mini", "epochs": 2.0, "max_steps": None, "examples_per_step": 8,
                  "learning_rate": 1e-3},
        "eval": {"name": "mini", "limit": 50, "benchmarks": {
                 "belle": {"function": "none.read", "path": "x", "stated_items": 40},
                 "mmcu": {"function": "none.read", "path": "x", "stated_items": 90}}},
        "runtime": {"retry": retry},
        "seed": seed,
    }  # fmt: skip


class Run:
    """A fabricated run directory."""

    def __init__(self, results: Path, name: str = "cell-a", **changes: Any) -> None:
        self.directory = RunDirectory(results / "runs" / name)
        self.name = name
        self.config = settings(**changes)

    def begun(self) -> Run:
        self.directory.create()
        record = {"format": run_directory.FORMAT, "train_id": self.name, "config": self.config}
        self.directory.write(run_files.CELL, record)
        return self

    def training(self, steps: int = 10) -> Run:
        self.begun()
        self.directory.write(run_files.DATA, {"train_tokens": {"examples": 160, "tokens": 9}})
        for step in range(1, steps + 1):
            record = {"step": step, "loss": 3.0 - step / 100, "tokens_per_second": 900.0,
                      "seconds": 2.0 * step}  # fmt: skip
            self.directory.append_line(run_files.CURVE, record)
        return self

    def trained(self, **facts: Any) -> Run:
        self.training(40)
        report = {"steps": 40, "last_tenth_loss": 2.5, "tokens_per_second": 950.0, "suspect": []}
        self.directory.write(run_files.TRAINED, report | facts)
        return self

    def predicting(self, benchmark: str, lines: int) -> Run:
        name = f"{run_files.PREDICTIONS}/{benchmark}-{HASH}.part.jsonl"
        for index in range(lines):
            self.directory.append_line(name, {"index": index, "text": "\u2028"})
        return self

    def scored(self, *names: str, **facts: Any) -> Run:
        for name in names:
            benchmark = name.partition("-")[0]
            self.directory.write_lines(f"{run_files.PREDICTIONS}/{benchmark}-{HASH}.jsonl", [])
            self.directory.write(
                f"{run_files.SCORES}/{name}.json",
                {"benchmark": benchmark, "suspect": [], "incomplete": False} | facts,
            )
        return self

    def failed(self, error: str = "OSError: no\nmore", stage: str = "train") -> Run:
        self.directory.write(run_files.FAILED, {"stage": stage, "error": error, "traceback": ""})
        return self

    def watched(self, *asked: str, launched: float = 0.0) -> Watched:
        path = self.directory.path
        return Watched(self.name, self.name, path, asked, self.config, launched)


def held(run: Run) -> lock.Lock:
    return lock.Lock(run.directory.path / run_files.LOCK)


def look(run: Run, *asked: str, launched: float = 0.0) -> State:
    return Looker().look(run.watched(*asked, launched=launched), time.time())


# One cell


def test_a_cell_without_a_directory_waits(tmp_path: Path) -> None:
    assert look(Run(tmp_path)).state == "waiting"


def test_a_training_cell(tmp_path: Path) -> None:
    run = Run(tmp_path).training(10)
    with (run.directory.path / run_files.CURVE).open("a") as file:
        file.write('{"step": 11, "lo')
    with held(run):
        found = look(run, BELLE)
    assert (found.state, found.step, found.steps, found.loss) == ("training", 10, 40, 2.9)
    assert found.tokens_per_second == 900
    # 30 steps of 2 seconds.
    assert found.seconds_left == pytest.approx(60)


def test_validation_records_are_no_steps(tmp_path: Path) -> None:
    run = Run(tmp_path).training(10)
    run.directory.append_line(run_files.CURVE, {"step": 10, "epoch": 1, "validation_loss": 3.0})
    with held(run):
        assert look(run).loss == 2.9


def test_only_the_end_of_a_long_curve_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    line = json.dumps({"step": 1, "loss": 1.0, "seconds": 1.0}) + "\n"
    path.write_text(line * 50_000 + '{"step": 7, "loss": 2.0, "seconds": 9.0}\n')
    records = progress.tail_records(path)
    assert records[-1]["step"] == 7
    assert 10 < len(records) < 1000


def test_a_killed_cell_is_interrupted_and_keeps_its_step(tmp_path: Path) -> None:
    run = Run(tmp_path).training(10)
    here = process_identity.place()
    dead = {**here, "pid": 2**22 + 1, "started": 1.0, "token": "x"}
    (run.directory.path / run_files.LOCK).write_text(json.dumps(dead))
    found = look(run, BELLE)
    assert (found.state, found.step, found.steps) == ("interrupted", 10, 40)


def test_a_cell_on_another_host_is_told_by_its_heartbeat(tmp_path: Path) -> None:
    run = Run(tmp_path).training(10)
    path = run.directory.path / run_files.LOCK
    path.write_text(json.dumps({"host": "node7", "pid": 1, "started": 1.0, "token": "x"}))
    found = look(run, BELLE)
    assert (found.state, found.host) == ("training", "node7")
    os.utime(path, (1, 1))
    assert look(run, BELLE).state == "interrupted"


def test_predicting_counts_the_lines_that_are_there(tmp_path: Path) -> None:
    run = Run(tmp_path).trained().scored(BELLE).predicting("mmcu", 20)
    looker = Looker()
    with held(run):
        first = looker.look(run.watched(BELLE, MMCU), now=100.0)
        run.predicting("mmcu", 10)
        second = looker.look(run.watched(BELLE, MMCU), now=105.0)
    assert (first.state, first.stage, first.step, first.steps) == ("predicting", "mmcu", 20, 50)
    assert (second.step, second.seconds_left) == (30, pytest.approx(10))


def test_answers_of_an_earlier_process_give_no_speed(tmp_path: Path) -> None:
    """Its files are older than the lock's holder: how long they took is not known."""
    run = Run(tmp_path).trained().predicting("belle", 20)
    for path in run.directory.path.glob("*"):
        os.utime(path, (1000, 1000))
    with held(run):
        assert look(run, BELLE).seconds_left is None


def test_scoring_follows_whole_predictions(tmp_path: Path) -> None:
    run = Run(tmp_path).trained()
    run.directory.write_lines(f"{run_files.PREDICTIONS}/belle-{HASH}.jsonl", [])
    with held(run):
        found = look(run, BELLE, MMCU)
    assert (found.state, found.stage) == ("scoring", "belle")


@pytest.mark.parametrize("method", ["lora", "none"])
def test_a_cell_is_done_when_what_was_asked_is_there(tmp_path: Path, method: str) -> None:
    run = Run(tmp_path, method=method)
    run = (run.trained() if method == "lora" else run.begun()).scored(BELLE)
    assert look(run, BELLE, MMCU).state == "interrupted"
    run.scored(MMCU)
    assert look(run, BELLE, MMCU).state == "done"
    # Another cell of the same training is being asked other things, or failed at them.
    run.failed(stage="predict other")
    with held(run):
        assert look(run, BELLE, MMCU).state == "done"
    assert look(run, BELLE, MMCU).state == "done"


def test_an_incomplete_scoring_is_not_done(tmp_path: Path) -> None:
    run = Run(tmp_path).trained().scored(BELLE, incomplete=True, problems={"late": 2}, judge="j")
    found = look(run, BELLE)
    assert found.state == "incomplete"
    assert (
        found.remark == "trained; evaluation of belle is incomplete: 2 items without a score by j"
    )


def test_a_suspect_cell_says_why(tmp_path: Path) -> None:
    run = Run(tmp_path).trained(suspect=["the loss did not fall"]).scored(BELLE, suspect=["empty"])
    found = look(run, BELLE)
    assert (found.state, found.remark) == ("suspect", "the loss did not fall; belle: empty")


def test_a_failed_cell_names_stage_and_first_line(tmp_path: Path) -> None:
    found = look(Run(tmp_path).training(10).failed(), BELLE)
    assert (found.state, found.stage, found.remark) == (
        "failed",
        "train",
        "training failed: OSError: no",
    )
    assert (found.step, found.steps) == (10, 40)


@pytest.mark.parametrize(("retry", "state"), [("failed", "waiting"), ("none", "failed")])
def test_a_failure_before_the_launch_is_history_where_it_is_run_again(
    tmp_path: Path, retry: str, state: str
) -> None:
    run = Run(tmp_path, retry=retry).training(10).failed()
    assert look(run, BELLE, launched=time.time() + 60).state == state


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (run_files.CELL, "{"),
        (run_files.CELL, "[]"),
        (run_files.TRAINED, "nothing"),
        (run_files.DATA, "[1"),
        (run_files.CURVE, '{"loss": 1.0}\n'),
    ],
)
def test_a_damaged_run_is_named(tmp_path: Path, name: str, text: str) -> None:
    run = Run(tmp_path).training(10)
    (run.directory.path / name).write_text(text)
    found = look(run, BELLE)
    assert found.state == "unreadable"
    assert str(run.directory.path) in (found.remark or "")


def test_a_newer_format_says_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path).begun()
    run.directory.write(run_files.CELL, {"format": run_directory.FORMAT + 1, "cell": "unknown"})
    found = look(run, BELLE)
    assert found.state == "unreadable"
    newer = run_directory.FORMAT + 1
    assert f"has format {newer}, and this version writes {newer - 1}" in (found.remark or "")


def test_an_older_format_says_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path).begun()
    run.directory.write(run_files.CELL, {"format": run_directory.FORMAT - 1})
    found = look(run, BELLE)
    assert found.state == "unreadable"
    assert "tunegrid migrate" in (found.remark or "")


def test_a_newer_setting_is_named_and_the_state_still_shown(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.config["train"]["brand_new"] = 1
    run.trained().scored(BELLE)
    found = look(run, BELLE)
    assert found.state == "done"
    assert "train.brand_new" in (found.remark or "")


def test_planned_steps_are_the_trainings_own() -> None:
    train = settings()["train"]
    assert progress.planned_steps({"train_tokens": {"examples": 161}}, train) == 42
    assert progress.planned_steps(None, train) is None
    assert progress.planned_steps(None, train | {"max_steps": 7}) == 7


def test_lines_of_a_growing_file_are_counted_once_each(tmp_path: Path) -> None:
    reader, path = progress.Reader(), tmp_path / "a.jsonl"
    assert reader.lines(path) == 0
    path.write_text("a\nb\nc")
    assert reader.lines(path) == 2
    path.write_text("a\nb\ncd\ne\n")
    assert reader.lines(path) == 4
    path.write_text("a\n")
    assert reader.lines(path) == 1


# A sweep


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A launch of five cells: done, training, failed, not begun, and one in a damaged directory."""
    runs = [Run(tmp_path, f"cell-{seed}", seed=seed) for seed in range(5)]
    entries = [
        {"train_id": run.name, "asked": [BELLE], "words": [f"seed={seed}"], "config": run.config}
        for seed, run in enumerate(runs)
    ]
    record = {
        "format": 1, "sweep": "seeds", "started": "2020-01-01T00:00:00Z", "launcher": "basic",
        "host": socket.gethostname(), "pid": os.getpid(), "project": "/", "results": "/",
        "entries": entries,
    }  # fmt: skip
    directory = tmp_path / "launches" / "seeds" / "2020-01-01_00-00-00"
    json_files.write_text(directory / "cells.json", json.dumps(record))
    runs[0].trained().scored(BELLE)
    runs[1].training(10)
    runs[2].training(10).failed("[bold]OutOfMemory[/bold]\nmore")
    runs[4].begun()
    (runs[4].directory.path / run_files.CELL).write_text("{")
    return tmp_path


@pytest.fixture
def busy(results: Path) -> Iterator[Path]:
    with lock.Lock(results / "runs" / "cell-1" / run_files.LOCK):
        yield results


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


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_shows_errors_as_they_are(busy: Path, width: int) -> None:
    console = Console(width=width, file=None, record=True, highlight=False)
    with console.capture() as captured:
        console.print(table.drawn(SweepWatch(busy, "seeds").look()))
    text = captured.get()
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    assert re.search(r"lora, seed 1 +training +10/40 +2\.900 +900 +60s", text)
    assert "failed in train" in text
    assert "[bold]OutOfMemory[/bold]" in text


def test_a_small_screen_shows_what_moves_and_counts_the_rest(busy: Path) -> None:
    console = Console(width=80, height=9, highlight=False)
    with console.capture() as captured:
        console.print(table.drawn(SweepWatch(busy, "seeds").look(), height=9))
    lines = captured.get().splitlines()
    assert len(lines) <= 9
    assert "seed 1" in lines[2]
    assert any("more: 1 done" in line for line in lines)


def test_a_sweep_without_failures_ends_with_0(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cell-2", "cell-4"):
        run = RunDirectory(results / "runs" / name)
        run.remove("")
    assert status(capsys, "seeds", "--results", str(results))[0] == 0


def test_an_unknown_sweep_names_those_that_are_there(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = status(capsys, "seds", "--results", str(results))
    assert code == 2
    assert "did you mean 'seeds'" in err


def test_without_a_terminal_only_changes_are_printed(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look finds nothing new, the third that all is done; then it ends by itself."""
    runs = results / "runs"
    looks = iter([lambda: None, lambda: finish(results)])

    def finish(results: Path) -> None:
        for name in ("cell-1", "cell-2", "cell-3", "cell-4"):
            RunDirectory(runs / name).remove("")
            Run(results, name).trained().scored(BELLE)

    monkeypatch.setattr(table.time, "sleep", lambda seconds: next(looks)())
    code, out, _ = status(capsys, "seeds", "--watch", "--results", str(results))
    assert code == 0
    assert out.count("seed 0") == 1
    assert re.search(r"\d\d:\d\d:\d\d  lora, seed 3  done  40", out)
    assert out.splitlines()[-1] == "5 cells: 5 done"


def test_ctrl_c_leaves_a_watch_with_0(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(table.time, "sleep", interrupt)
    assert table.watch(SweepWatch(busy, "seeds"), 2.0, as_json=True) == 0


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


def test_times_are_short() -> None:
    shown = [table.duration(s) for s in (None, 4.4, 600, 3 * 3600 + 300, 52 * 3600)]
    assert shown == ["–", "4s", "10m", "3h05", "2d04h"]


def test_what_did_not_change_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep of hundreds of cells is looked at every other second, on a shared file system."""
    looker, read = Looker(), []
    whole = json_files.read_json
    monkeypatch.setattr(json_files, "read_json", lambda path: read.append(path) or whole(path))
    runs = [Run(tmp_path, f"cell-{number}").trained().scored(BELLE) for number in range(3)]
    watched = [run.watched(BELLE) for run in runs]
    assert {looker.look(cell, 0.0).state for cell in watched} == {states.DONE}
    assert len(read) == 3 * 3
    assert {looker.look(cell, 0.0).state for cell in watched} == {states.DONE}
    assert len(read) == 3 * 3
    runs[1].scored(BELLE, suspect=["empty"])
    assert [looker.look(cell, 0.0).state for cell in watched] == ["done", "suspect", "done"]
    assert len(read) == 3 * 3 + 1


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
