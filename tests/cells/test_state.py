"""One meaning of a run: every combination of files, and every reader of it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tunegrid.cells import run_content, state, wanted
from tunegrid.cells.failure import Failure
from tunegrid.cells.identity import Cell
from tunegrid.cells.state import RunState, Status
from tunegrid.config.choices import Retry, Stage
from tunegrid.config.compose.sweep_file import CellOverrides
from tunegrid.config.errors import DataError
from tunegrid.config.schema import (
    BenchmarkConfig,
    CellConfig,
    DataConfig,
    EvalConfig,
    ModelConfig,
    PeftConfig,
    RuntimeConfig,
)
from tunegrid.launch import sweep
from tunegrid.launch.status.states import Looker, Watched
from tunegrid.launch.sweep_cells import Member
from tunegrid.plan.progress import progress
from tunegrid.reports import rows
from tunegrid.store import json_files, process_identity, run_directory, run_files
from tunegrid.store.run_directory import RunDirectory

HASH = "0123456789ab"
FIRST, SECOND = f"first-{HASH}-rule-{HASH}", f"second-{HASH}-reference-{HASH}"
ASKED = {"none": (), "first": (FIRST,), "both": (FIRST, SECOND)}
ERROR = "OSError: no\nmore"
NOTES: dict[str, dict[str, str] | None] = {
    "absent": None,
    "train": {"stage": "train"},
    "predict": {"stage": "predict first", "benchmark": "first", "prediction_id": f"first-{HASH}"},
    "score": {"stage": "score first", "benchmark": "first", "prediction_id": f"first-{HASH}",
              "score_id": FIRST},
    "foreign": {"stage": "score other", "benchmark": "other", "score_id": f"other-{HASH}-x-{HASH}"},
    "another way": {"stage": "score first", "benchmark": "first", "score_id": "first-another"},
    "earlier version": {"stage": "score first"},
    "killed": {"stage": "unknown"},
}  # fmt: skip
SCORES = ("absent", "predictions", "part", "incomplete", "complete")
RESULTS = ("none", "first", "both", "absent", "absent, asked both")
LOCKS = ("absent", "dead", "alive")
TRAININGS = ("no method", "trained", "checkpoint", "nothing")


@dataclass(frozen=True)
class Files:
    """The files of one run directory."""

    training: str
    first: str
    second: str
    note: str
    results: str
    lock: str

    @property
    def is_trained(self) -> bool:
        return self.training in ("no method", "trained")

    def is_complete(self, asked: str) -> bool:
        scores = {FIRST: self.first, SECOND: self.second}
        return all(scores[name] == "complete" for name in ASKED[asked])

    def states(self, asked: str) -> list[str]:
        return [self.first, self.second][: len(ASKED[asked])]


def reachable() -> list[Files]:
    """Every combination but those in which something was answered before it was trained."""
    return [
        Files(*one)
        for one in itertools.product(TRAININGS, SCORES, SCORES, NOTES, RESULTS, LOCKS)
        if one[0] in ("no method", "trained")
        # Somebody may have removed train.json of a run that was whole.
        or set(one[1:3]) <= {"absent", "complete"}
    ]


def config(results: Path, has_method: bool, asked: str = "both") -> CellConfig:
    return CellConfig(
        model=ModelConfig(name="base", path="base", architecture="none"),
        peft=PeftConfig(name="m", function="library.attach" if has_method else None),
        data=DataConfig(name="none"),
        eval=EvalConfig(name=asked),
        runtime=RuntimeConfig(results=str(results)),
    )


def cell_of(results: Path, has_method: bool, asked: str) -> Cell:
    return Cell(config(results, has_method, asked), "run", {}, results)


def put(path: Path, content: Any) -> None:
    """Write a file without waiting for the disk: there are thousands of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def holder(is_alive: bool) -> dict[str, Any]:
    process = process_identity.this_process() | {"token": "x"}
    return process if is_alive else process | {"pid": 2**22 + 1}


def build(results: Path, files: Files) -> Path:
    """Make a run directory of these files; one that is there goes."""
    directory = results / "runs" / "run"
    shutil.rmtree(directory, ignore_errors=True)
    record = cell_of(results, files.training != "no method", "both").record()
    if files.results == "absent, asked both":
        record["asked"] = list(ASKED["both"])
    put(directory / run_files.CELL, record)
    if files.training == "trained":
        put(directory / run_files.TRAINED, {"steps": 4, "suspect": []})
    if files.training in ("trained", "checkpoint"):
        (directory / run_files.CHECKPOINTS / "checkpoint-3").mkdir(parents=True)
    for score, how in ((FIRST, files.first), (SECOND, files.second)):
        scoring(directory, score, how)
    note = NOTES[files.note]
    if note is not None:
        put(directory / run_files.FAILED, note | {"error": ERROR, "traceback": ""})
    if files.results in ASKED:
        put(directory / run_files.RESULTS, {"scores": list(ASKED[files.results])})
    if files.lock != "absent":
        put(directory / run_files.LOCK, holder(files.lock == "alive"))
    return directory


def scoring(directory: Path, score: str, how: str) -> None:
    """Write the files of one evaluation as far as it is."""
    benchmark = score.partition("-")[0]
    if how == "absent":
        return
    suffix = "part.jsonl" if how == "part" else "jsonl"
    put(directory / run_files.PREDICTIONS / f"{benchmark}-{HASH}.{suffix}", "{no answer}\n")
    if how in ("incomplete", "complete"):
        summary = {"score_id": score, "benchmark": benchmark, "judge": "j", "suspect": [],
                   "incomplete": how == "incomplete", "problems": {"late": 3},
                   "measurements": []}  # fmt: skip
        put(directory / run_files.SCORES / f"{score}.json", summary)


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cell asks is told by the name of its evaluation instead of by benchmarks."""
    real = wanted.of_cell

    def of_cell(cell: Cell) -> tuple[wanted.Wanted, ...]:
        name = cell.config.eval.name
        return wanted.named(ASKED[name]) if name in ASKED else real(cell)

    monkeypatch.setattr(wanted, "of_cell", of_cell)


PLANNED = {Status.done: "done", Status.running: "running", Status.failed: "failed"}
ENDED = {Status.done: "done", Status.failed: "failed", Status.incomplete: "failed",
         Status.interrupted: "interrupted", Status.running: "interrupted"}  # fmt: skip
SHOWN = {Status.done: {"done"}, Status.failed: {"failed"}, Status.incomplete: {"incomplete"},
         Status.interrupted: {"interrupted"},
         Status.running: {"training", "predicting", "scoring"}}  # fmt: skip


def hold_readers(cell: Cell, asked: str, found: RunState) -> None:
    """Assert that every reader of a cell says what `cells.state` says."""
    assert state.is_finished(cell) is found.is_done
    left = "to evaluate" if found.is_trained else "to train"
    left = "to continue" if not found.is_trained and found.steps_done else left
    planned = progress(cell, None)
    assert planned.status.value == PLANNED.get(found.status, left)
    if found.status is Status.failed:
        assert planned.reason == found.reason
    (row,) = rows.run_rows([RunDirectory(cell.directory)], {"run": ASKED[asked]})
    assert row["status"] == found.status.value
    assert row["error"] == (found.reason if found.status in state.BAD else None)
    record = cell.record()["config"]
    watched = Watched("run", "run", cell.directory, ASKED[asked], record)
    shown = Looker().look(watched, now=0.0)
    assert shown.state in SHOWN[found.status]
    if found.status in state.BAD:
        assert shown.remark == found.reason
    member = Member(CellOverrides((), (), "s"), cell, ("s",))
    parts = sweep.split([member], Retry.failed)
    assert (parts.done == (member,)) is found.is_done
    assert (parts.waiting == (member,)) is not found.is_done
    kept = sweep.split([member], Retry.none).kept_failed
    assert (kept == (member,)) is (found.status is Status.failed)
    (outcome,) = sweep.from_disk([member])
    assert outcome.state == ENDED[found.status]


def hold_invariants(files: Files, asked: str, found: RunState) -> None:
    """Assert what must hold of a state whatever the rules are."""
    is_alive, words = files.lock == "alive", (files, asked, found)
    note = NOTES[files.note]
    is_mine = files.note in ("predict", "score") and asked != "none"
    states = files.states(asked)
    if found.is_done:
        assert files.is_trained, words
        assert files.is_complete(asked), words
        assert not is_mine, words
        assert asked != "none" or files.training == "trained" or files.results in ASKED, words
    elif files.is_trained and files.is_complete(asked) and asked != "none" and not is_mine:
        raise AssertionError(words)
    assert (found.status is Status.running) is (is_alive and not found.is_done), words
    assert found.is_trained is files.is_trained, words
    if is_mine and not is_alive:
        assert found.status is Status.failed, words
    if files.note == "train" and not files.is_trained and not is_alive:
        assert found.reason == "training failed: OSError: no", words
    if files.note in ("absent", "foreign", "another way") and asked in ASKED:
        assert found.status is not Status.failed, words
    if found.status is Status.failed:
        assert note is not None, words
        assert found.reason.endswith(" failed: OSError: no"), words
        assert found.reason.startswith("trained; ") is (files.training == "trained"), words
    if found.status is Status.incomplete:
        assert "incomplete" in states, words
        assert files.is_trained, words
    if found.status is Status.interrupted:
        assert not is_alive, words
        assert note is None or not is_mine, words
    for one, how in zip(found.evaluations, states, strict=True):
        if one.is_finished:
            assert how == "complete", words
        if how == "complete" and not is_mine:
            assert one.is_finished, words
        if one.status is Status.not_begun:
            assert how == "absent", words
    assert found.steps_done == (3 if files.training == "checkpoint" else 0), words


def hold_bare(files: Files, directory: Path, found: RunState) -> None:
    """Assert what must hold of a run that is looked at by itself, and that its readers agree."""
    (row,) = rows.run_rows([RunDirectory(directory)])
    assert row["status"] == found.status.value
    watched = Watched("run", "run", directory, None, {})
    assert Looker().look(watched, now=0.0).state in SHOWN[found.status]
    if files.lock == "alive":
        assert found.status is Status.running, files
        return
    assert found.status is not Status.running
    note = NOTES[files.note] or {}
    if files.is_trained and " " in note.get("stage", ""):
        # Whoever asked: the failure of an evaluation is told.
        assert found.status is Status.failed, files
        name = note["stage"].partition(" ")[2]
        prefix = "trained; " if files.training == "trained" else ""
        assert found.reason == f"{prefix}evaluation of {name} failed: OSError: no"
    if found.is_done:
        assert files.is_trained, files
        assert files.results in ASKED or files.results == "absent, asked both", files
        last = files.results if files.results in ASKED else "both"
        assert files.is_complete(last), files


def hold_all(results: Path, every: list[Files]) -> set[Status]:
    """Check the combinations; return the states that were met."""
    met = set()
    cells = {
        (has_method, asked): cell_of(results, has_method, asked)
        for has_method in (True, False)
        for asked in ASKED
    }
    for files in every:
        directory = build(results, files)
        for asked in ASKED:
            cell = cells[files.training != "no method", asked]
            found = state.of_cell(cell)
            hold_invariants(files, asked, found)
            hold_readers(cell, asked, found)
            met.add(found.status)
            same = state.of_run(
                directory, asked=ASKED[asked], has_method=files.training != "no method"
            )
            assert same == found
        hold_bare(files, directory, state.of_run(directory))
    return met


ALL = {Status.done, Status.running, Status.failed, Status.incomplete, Status.interrupted}


def test_all_readers_agree_on_one_in_twenty_nine_of_the_combinations(tmp_path: Path) -> None:
    # A prime number, which falls in step with no file.
    every = reachable()[::29]
    assert len(every) > 200
    for name in ("training", "first", "second", "note", "results", "lock"):
        values = {getattr(files, name) for files in reachable()}
        assert {getattr(files, name) for files in every} == values
    assert hold_all(tmp_path, every) == ALL


@pytest.mark.slow
def test_all_readers_agree_on_every_combination(tmp_path: Path) -> None:
    every = reachable()
    assert len(every) == 2 * 25 * 8 * 5 * 3 + 2 * 4 * 8 * 5 * 3
    assert hold_all(tmp_path, every) == ALL


# Single cases


WHOLE = Files("trained", "complete", "complete", "absent", "both", "absent")


def bare(tmp_path: Path, **changes: str) -> RunState:
    return state.of_run(build(tmp_path, replace(WHOLE, **changes)))


def test_what_is_not_there_is_not_begun(tmp_path: Path) -> None:
    for has_method in (True, False):
        found = state.of_cell(cell_of(tmp_path, has_method, "both"))
        assert found.status is Status.not_begun
        assert {one.status for one in found.stages} == {Status.not_begun}
        assert len(found.stages) == 2 + has_method


def test_the_sentence_of_a_failed_evaluation(tmp_path: Path) -> None:
    found = bare(tmp_path, note="score", first="predictions")
    assert found.reason == "trained; evaluation of first failed: OSError: no"
    assert found.failed is not None
    assert (found.failed.name, found.failed.score_id) == ("first", FIRST)


def test_the_sentence_of_an_incomplete_one(tmp_path: Path) -> None:
    found = bare(tmp_path, second="incomplete")
    assert found.status is Status.incomplete
    assert found.reason == (
        "trained; evaluation of second is incomplete: 3 items without a score by j"
    )


def test_the_sentences_of_what_is_left(tmp_path: Path) -> None:
    files = {"results": "absent, asked both"}
    assert bare(tmp_path, second="part", **files).reason == "trained; not evaluated: second"
    interrupted = "training interrupted after step 3"
    assert bare(tmp_path, training="checkpoint", **files).reason == interrupted
    untold = bare(tmp_path, results="absent")
    assert (untold.status.value, untold.reason) == (
        "interrupted",
        "trained; its command did not end",
    )


def test_the_stage_a_process_died_at_is_interrupted(tmp_path: Path) -> None:
    found = bare(tmp_path, first="absent", second="absent", lock="dead")
    assert [one.status.value for one in found.stages] == ["done", "interrupted", "not begun"]
    found = bare(tmp_path, first="absent", second="absent", lock="alive")
    assert [one.status.value for one in found.stages] == ["done", "running", "not begun"]
    assert found.holder["pid"] == os.getpid()


def test_a_killed_processs_note_is_about_what_it_was_at(tmp_path: Path) -> None:
    directory = build(tmp_path, replace(WHOLE, second="part", lock="dead"))
    noted = state.of_next_stage(state.of_run(directory), "killed")
    assert noted == Failure("evaluate second", "killed", "second", score_id=SECOND)
    put(directory / run_files.FAILED, noted.record())
    (directory / run_files.LOCK).unlink()
    assert state.of_run(directory).reason == "trained; evaluation of second failed: killed"
    # It does not concern a cell that asks the other benchmark of the same training.
    assert state.of_run(directory, asked=[FIRST]).status is Status.done
    assert state.of_run(directory, asked=[SECOND]).status is Status.failed
    directory = build(tmp_path, replace(WHOLE, training="nothing"))
    assert state.of_next_stage(state.of_run(directory), "x") == Failure("train", "x")


def test_suspect_is_done_and_says_why(tmp_path: Path) -> None:
    directory = build(tmp_path, WHOLE)
    put(directory / run_files.TRAINED, {"suspect": ["the loss did not fall"]})
    summary = json_files.read_json(directory / run_files.SCORES / f"{FIRST}.json")
    put(directory / run_files.SCORES / f"{FIRST}.json", summary | {"suspect": ["empty"]})
    found = state.of_run(directory)
    assert (found.status, found.is_done) == (Status.suspect, True)
    assert found.reason == "the loss did not fall; first: empty"
    (row,) = rows.run_rows([RunDirectory(directory)])
    assert row["status"] == "suspect"
    assert state.of_run(directory, asked=[SECOND]).reason == "the loss did not fall"


def test_an_imported_row_has_no_training(tmp_path: Path) -> None:
    directory = build(tmp_path, replace(WHOLE, training="nothing"))
    record = {"format": 1, "kind": run_files.IMPORTED, "train_id": "run", "name": "x"}
    put(directory / run_files.CELL, record)
    found = state.of_run(directory)
    assert (found.status, found.training) == (Status.done, None)
    (directory / run_files.RESULTS).unlink()
    scoring(directory, SECOND, "incomplete")
    assert state.of_run(directory).status is Status.incomplete


def test_a_cell_that_is_only_trained_is_done_when_it_is_trained(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, True, "its own")
    cell = replace(cell, config=replace(cell.config, stage=Stage.train))
    files = Files("trained", "absent", "absent", "absent", "absent", "absent")
    build(tmp_path, files)
    assert state.of_cell(cell).status is Status.done
    assert state.is_finished(cell)
    build(tmp_path, replace(files, training="checkpoint"))
    assert state.of_cell(cell).status is Status.interrupted


def test_a_probe_is_never_finished(tmp_path: Path) -> None:
    build(tmp_path, WHOLE)
    cell = cell_of(tmp_path, True, "both")
    assert state.is_finished(cell)
    for stage in (Stage.probe, Stage.plan, Stage.check):
        assert not state.is_finished(replace(cell, config=replace(cell.config, stage=stage)))


def test_a_benchmark_that_cannot_be_read_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in the run cannot be told to be what is asked; the others are told."""

    def requests_about(cell: Cell, name: str) -> list[Any]:
        if name == "second":
            raise DataError("items.json, line 3 is no JSON\nmore")
        return [wanted.Wanted(name, FIRST)]

    monkeypatch.setattr("tunegrid.cells.requests.requests_about", requests_about)
    one = BenchmarkConfig(function="f", path="x")
    cell = cell_of(tmp_path, True, "its own")
    benchmarks = EvalConfig(name="its own", benchmarks={"first": one, "second": one})
    cell = replace(cell, config=replace(cell.config, eval=benchmarks))
    directory = build(tmp_path, WHOLE)
    found = state.of_cell(cell)
    assert [one.status.value for one in found.evaluations] == ["done", "not begun"]
    assert found.reason == "trained; not evaluated: second: items.json, line 3 is no JSON"
    assert not state.is_finished(cell)
    put(directory / run_files.FAILED, state.of_next_stage(found, "DataError: x").record())
    assert state.of_cell(cell).reason == "trained; evaluation of second failed: DataError: x"
    # Before a training it is not the training that failed.
    build(tmp_path, replace(WHOLE, training="nothing", first="absent", second="absent"))
    assert state.of_next_stage(state.of_cell(cell), "DataError: x").benchmark == "second"


DAMAGE = {
    run_files.CELL: ("{", "[]", '{"format": 2, "config": 3}'),
    run_files.TRAINED: ("{", "3"),
    run_files.RESULTS: ("", '{"scores": 3}'),
    run_files.FAILED: ("{", "[]"),
    f"{run_files.SCORES}/{FIRST}.json": ("{", "[1]"),
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in DAMAGE.items() for text in texts]
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, name: str, text: str) -> None:
    directory = build(tmp_path, WHOLE)
    put(directory / name, text)
    found = state.of_run(directory)
    assert (found.status, found.is_done, found.is_trained) == (Status.unreadable, False, False)
    assert str(directory) in found.reason
    assert "run the cell's command again" in found.reason
    cell = cell_of(tmp_path, True, "both")
    if "config" not in text and "scores" not in text:
        # These two are asked only where nobody says what the cell is.
        assert state.of_cell(cell).status is Status.unreadable
        assert progress(cell, None).status.value == "unreadable"
        assert (
            sweep.from_disk([Member(CellOverrides((), (), "s"), cell, ("s",))])[0].state == "failed"
        )
    watched = Watched("run", "run", directory, None, {})
    assert Looker().look(watched, now=0.0).state == "unreadable"
    # A table names it and keeps the others.
    whole, _ = rows.readable([RunDirectory(directory)])
    assert all(row["status"] == "unreadable" for row in rows.run_rows(whole))


def test_a_newer_versions_run_is_unreadable(tmp_path: Path) -> None:
    directory = build(tmp_path, WHOLE)
    put(directory / run_files.CELL, {"format": run_directory.FORMAT + 1, "what": "unknown"})
    found = state.of_run(directory)
    assert found.status is Status.unreadable
    assert "a newer tunegrid made it. Update this one" in found.reason


def test_only_small_files_are_read_and_only_through_the_reader(tmp_path: Path) -> None:
    directory = build(tmp_path, replace(WHOLE, second="part", note="foreign"))
    read: list[str] = []

    def reading(path: Path) -> Any:
        read.append(str(path.relative_to(directory)))
        return run_content.read_if_there(path)

    found = state.of_run(directory, asked=ASKED["both"], has_method=True, read=reading)
    assert found.status is Status.interrupted
    assert sorted(read) == sorted(
        [run_files.CELL, run_files.FAILED, run_files.RESULTS, run_files.TRAINED,
         f"{run_files.SCORES}/{FIRST}.json", f"{run_files.SCORES}/{SECOND}.json"]
    )  # fmt: skip


def test_looking_loads_no_torch(tmp_path: Path) -> None:
    directory = build(tmp_path, WHOLE)
    code = (
        "import sys; from pathlib import Path; from tunegrid.cells import state; "
        f"print(state.of_run(Path({str(directory)!r})).status.value, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["done", "False"], done.stderr
