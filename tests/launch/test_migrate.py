"""Runs that were named by format 1 get the names they would have had in format 2.

They were trained and answered before there were `identity.RULES`, and their names say so.

`format_1/` holds two runs and their launch as the program at 3ad6918 wrote them (3 steps, 6 items,
without the adapter): `-m peft=lora,none train.max_steps=3 eval.limit=6
eval.mmcu.protocols=[generation,likelihood]`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import identity, rename, requests
from tunegrid.cells.identity import Cell
from tunegrid.cli.run import from_composed
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import project_directory
from tunegrid.config.schema import CellConfig
from tunegrid.launch import migrate
from tunegrid.launch import record as launches
from tunegrid.store import json_files, run_files
from tunegrid.store.lock import Lock
from tunegrid.store.run_directory import RunDirectory

OLD = Path(__file__).with_name("format_1")
LORA = "mini_llama-lora-fp32-mini-english-mini-s0-cf2b139207f5"
NONE = "mini_llama-none-fp32-english-035343315a03"
ASKED = ["train.max_steps=3", "eval.limit=6", "runtime.progress=false"]
PROTOCOLS = "eval.benchmarks.mmcu.protocols=[generation,likelihood]"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The old runs at a place of their own."""
    to = tmp_path / "results"
    shutil.copytree(OLD, to)
    for file in to.rglob("*.json*"):
        text = file.read_text(encoding="utf-8")
        text = text.replace("@project@", str(project_directory())).replace("@results@", str(to))
        file.write_text(text, encoding="utf-8")
    return to


def cell(results: Path, *words: str) -> Cell:
    ConfigStore.instance().store(name="schema", node=CellConfig)
    overrides = [*ASKED, PROTOCOLS, *words, f"runtime.results={results}"]
    with initialize_config_dir(str(project_directory() / "conf"), version_base="1.3"):
        composed = compose("config", overrides=overrides)
    today = from_composed(composed, project_directory(), project_directory())
    before = {key: value for key, value in today.identity.items() if key != "text"}
    if "train" in before:
        before["train"] = {k: v for k, v in before["train"].items() if k != "warmup"}
    return identity.named(today.config, before, today.project)


def asked(one: Cell) -> list[requests.EvaluationRequest]:
    return requests.evaluation_requests(one, rename.BEFORE_RULES)


def is_finished(one: Cell) -> bool:
    run = RunDirectory(one.directory)
    names = [f"{run_files.SCORES}/{request.score_id}.json" for request in asked(one)]
    return run.has(run_files.RESULTS) and all(run.has(name) for name in names)


def content(results: Path) -> dict[str, str]:
    return {
        str(file.relative_to(results)): file.read_text(encoding="utf-8")
        for file in sorted(results.rglob("*"))
        if file.is_file()
    }


def test_old_runs_are_found_under_their_present_names(results: Path) -> None:
    lora, none = cell(results, "peft=lora"), cell(results, "peft=none")
    assert not is_finished(lora)
    before = content(results / "runs")
    steps = list(migrate.migrate(results, project_directory()))
    assert [(step.old, step.new, step.remark) for step in steps] == [
        (LORA, lora.train_id, ""),
        (NONE, none.train_id, ""),
    ]
    for one in (lora, none):
        assert is_finished(one)
        assert len(asked(one)) == 4
        for request in asked(one):
            run = RunDirectory(one.directory)
            assert run.has(f"{run_files.PREDICTIONS}/{request.prediction_id}.jsonl")
            summary = run.read(f"{run_files.SCORES}/{request.score_id}.json")
            assert summary["score_id"] == request.score_id
            assert summary["prediction_id"] == request.prediction_id
    # Lines of answers and scores are the same bytes, and none was lost.
    after = content(results / "runs")
    after.pop(".format")
    lines = [sorted(v for k, v in one.items() if k.endswith(".jsonl")) for one in (before, after)]
    assert lines[0] == lines[1]
    assert len(before) == len(after)


def test_what_names_the_base_names_it_as_it_is_called_now(results: Path) -> None:
    lora = cell(results, "peft=lora")
    list(migrate.migrate(results, project_directory()))
    summaries = sorted((lora.directory / run_files.SCORES).glob("*.json"))
    assert len(summaries) == 4
    for path in summaries:
        assert (results / "runs" / json_files.read_json(path)["base_prediction"]).is_file()


def test_the_record_of_the_launch_names_them_too(results: Path) -> None:
    lora, none = cell(results, "peft=lora"), cell(results, "peft=none")
    list(migrate.migrate(results, project_directory()))
    launch = launches.latest(results, "config")
    assert [entry.train_id for entry in launch.entries] == [lora.train_id, none.train_id]
    for index, one in enumerate((lora, none)):
        assert set(launch.entries[index].asked) == {a.score_id for a in asked(one)}
    assert launches.frozen_cell(launch, 1).train_id == none.train_id
    # What goes on with this launch would train under other rules than it was launched with.
    with pytest.raises(ConfigError, match="this program has changed since"):
        launches.frozen_cell(launch, 0)


def test_a_launch_refuses_what_it_would_train_again(results: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds 2 runs.*tunegrid migrate --results"):
        migrate.refuse_older(results)
    done = subprocess.run(
        [sys.executable, "run.py", *ASKED, f"runtime.results={results}"],
        cwd=project_directory(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "tunegrid migrate" in done.stderr
    list(migrate.migrate(results, project_directory()))
    migrate.refuse_older(results)


def test_a_trial_changes_nothing(results: Path) -> None:
    before = content(results)
    steps = list(migrate.migrate(results, project_directory(), is_trial=True))
    assert [step.new is not None for step in steps] == [True, True]
    assert content(results) == before


class Interrupting:
    """Stands for `os` where files are renamed; raises at one of the calls."""

    def __init__(self, ends_at: int) -> None:
        self.left = ends_at

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def replace(self, *paths: Path) -> None:
        self._count()
        os.replace(*paths)

    def rename(self, *paths: Path) -> None:
        self._count()
        os.rename(*paths)


@pytest.mark.slow
def test_it_may_be_interrupted_at_every_rename_and_goes_on(
    results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(results, undisturbed)
    list(migrate.migrate(undisturbed, project_directory()))
    names = sorted(content(undisturbed / "runs"))
    ends_at, was_interrupted = 0, True
    while was_interrupted:
        ends_at += 1
        again = tmp_path / f"results-{ends_at}"
        shutil.copytree(results, again)
        was_interrupted = False
        with monkeypatch.context() as patched:
            for module in (migrate, rename):
                patched.setattr(module, "os", Interrupting(ends_at))
            try:
                list(migrate.migrate(again, project_directory()))
            except KeyboardInterrupt:
                was_interrupted = True
        list(migrate.migrate(again, project_directory()))
        assert sorted(content(again / "runs")) == names
        lora = cell(again, "peft=lora")
        assert is_finished(lora)
        [first, _] = launches.latest(again, "config").entries
        assert first.train_id == lora.train_id
        assert set(first.asked) == {one.score_id for one in asked(lora)}
    assert ends_at > 8


def test_a_run_whose_weights_are_there_already_is_kept_aside(results: Path) -> None:
    lora = cell(results, "peft=lora")
    shutil.copytree(results / "runs" / LORA, lora.directory)
    path = lora.directory / run_files.CELL
    path.write_text(json.dumps(lora.record()), encoding="utf-8")
    [step] = [s for s in migrate.migrate(results, project_directory()) if s.old == LORA]
    assert "kept in" in step.remark
    assert len(list((results / run_files.REPLACED / LORA).glob("*/train.json"))) == 1


def test_a_run_that_is_being_written_stays(results: Path) -> None:
    with Lock(results / "runs" / LORA / run_files.LOCK):
        steps = {step.old: step for step in migrate.migrate(results, project_directory())}
    assert steps[LORA].new is None
    assert "is being written" in steps[LORA].remark
    assert steps[NONE].new is not None
    with pytest.raises(ConfigError, match="holds 1 runs"):
        migrate.refuse_older(results)


def test_answers_whose_questions_are_gone_keep_their_names_and_are_named(results: Path) -> None:
    for path in [*results.rglob(run_files.CELL), *results.rglob(launches.CELLS)]:
        text = path.read_text(encoding="utf-8").replace("eval_set.json", "moved.json")
        path.write_text(text, encoding="utf-8")
    steps = list(migrate.migrate(results, project_directory()))
    assert [step.new is not None for step in steps] == [True, True]
    assert all("cannot be read here" in step.remark for step in steps)
    lora = cell(results, "peft=lora")
    assert list((lora.directory / run_files.PREDICTIONS).glob("belle-dd72c64bb00e.jsonl"))


def test_a_base_on_the_hub_needs_its_commit(
    results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = results / "runs" / LORA / run_files.CELL
    record = json_files.read_json(path)
    record["config"]["model"]["path"] = "owner/base"
    record["identity"]["model"]["path"] = "hub:owner/base@main"
    path.write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    steps = {step.old: step for step in migrate.migrate(results, project_directory())}
    assert steps[LORA].new is None
    assert "which commit of owner/base" in steps[LORA].remark
    reference = tmp_path / "hub" / "models--owner--base" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("a" * 40, encoding="utf-8")
    [step] = list(migrate.migrate(results, project_directory()))
    assert step.new is not None
    written = json_files.read_json(results / "runs" / step.new / run_files.CELL)
    assert written["config"]["model"]["revision"] == "a" * 40
    assert written["identity"]["model"] == f"hub:owner/base@{'a' * 40}"
    assert written["format"] == identity.FORMAT
    assert replace(cell(results), train_id=step.new).hash == step.new[-identity.HASH_LENGTH :]
