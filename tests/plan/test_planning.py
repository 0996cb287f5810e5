"""A plan as a whole: what is counted once, how far cells are, what is refused, what is printed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tunegrid.cells.check import Planned
from tunegrid.cli.run import print_plan
from tunegrid.plan import facts, records, table
from tunegrid.plan.planning import plan
from tunegrid.plan.progress import Status
from tunegrid.plan.rows import Plan
from tunegrid.store.lock import Lock

Of = Callable[..., Planned]
pytestmark = pytest.mark.usefixtures("here")
BLOOM = ("model=bloom_7b1", "data=alpaca_gpt4_zh", "train=paper", "eval=study")


def printed(found: Plan) -> str:
    out = io.StringIO()
    print_plan(found, out)
    return out.getvalue()


def test_what_several_sweeps_name_is_planned_once(planned: Of) -> None:
    tuned, cot = planned(*BLOOM, sweeps=("a", "b", "c")), planned(*BLOOM[:3], "eval=study_cot")
    base, other = planned(*BLOOM, "peft=none", sweeps=("a", "b")), planned(*BLOOM, "seed=1")
    found = plan([tuned, base, other, cot])
    assert [row.cell.train_id for row in found.rows] == [
        tuned.cell.train_id, tuned.cell.train_id, base.cell.train_id, other.cell.train_id,
    ]  # fmt: skip
    assert [row.shares_training for row in found.rows] == [False, True, False, False]
    totals = found.totals
    assert (totals.named, totals.cells) == (3 + 2 + 1 + 1, 4)
    assert (totals.trainings, totals.untuned, totals.saved) == (2, 1, 4)
    first = found.rows[0]
    assert first.training is not None
    # Only the trainings that are left count, and each of them once.
    assert totals.training.middle == pytest.approx(2 * first.training.middle)
    assert totals.saved_hours == pytest.approx(3 * first.training.middle)
    assert totals.evaluations_left == 8
    text = printed(found)
    assert "7 cells named, 2 trainings and 1 base untuned after deduplication (4 saved" in text
    assert max(len(line) for line in text.splitlines()) <= table.WIDTH


def test_trainable_parameters_are_exact_and_absent_inputs_are_marked(planned: Of) -> None:
    item = planned(*BLOOM)
    [row] = records.rows(plan([item]))
    assert row["trainable_parameters"] == 15_728_640
    assert row["status"] == "to train"
    assert (row["examples"], row["marks"]["examples"]) == (46_818, "~")
    assert row["basis"] == ["theory"] or row["training_hours"] is None
    assert json.loads(json.dumps(row)) == row
    text = printed(plan([item]))
    assert "15,728,640" in text
    assert "~46,818" in text
    assert "not on this machine" in text
    assert "bases bloom_7b1" in text
    assert "collections alpaca_gpt4_zh" in text
    assert "~ stated sizes" in text


def test_statuses_follow_from_the_run_directory(planned: Of) -> None:
    items = {name: planned(f"seed={seed}") for seed, name in enumerate(Status, start=1)}

    def at(status: Status, name: str, text: str = "{}") -> None:
        path = items[status].cell.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    at(Status.to_evaluate, "train.json")
    at(Status.to_continue, "checkpoint/checkpoint-42/ledger.json")
    at(Status.failed, "failed.json", '{"stage": "train", "error": "StageError: diverged\\nmore"}')
    at(Status.unreadable, "cell.json", "{")
    at(Status.refused, "failed.json", '{"stage": "train", "error": "no"}')
    items[Status.refused] = replace(items[Status.refused], refused="no code yet")
    items[Status.done] = planned("seed=99", "eval=none")
    at(Status.done, "cell.json")
    at(Status.done, "train.json")
    at(Status.done, "results.json", '{"scores": []}')
    with Lock(items[Status.running].cell.directory / ".lock"):
        found = plan(list(items.values()))
    by_name = dict(zip(items, found.rows, strict=True))
    assert {row.progress.status for row in found.rows} == set(Status)
    assert by_name
    assert all(row.progress.status is status for status, row in by_name.items())
    assert by_name[Status.failed].progress.reason == "training failed: StageError: diverged"
    assert by_name[Status.to_evaluate].training is None
    assert by_name[Status.done].hours is None
    whole, rest = by_name[Status.to_train].training, by_name[Status.to_continue].training
    assert whole is not None
    assert rest is not None
    # 42 of the 168 steps of four epochs are in the checkpoint.
    assert rest.middle == pytest.approx(0.75 * whole.middle)
    assert found.totals.trainings_left == len(Status) - 2
    text = printed(found)
    assert "no code yet" in text
    assert "StageError: diverged" in text


def test_a_method_that_the_base_cannot_take_is_refused_with_its_reason(planned: Of) -> None:
    # The checks say so, too; what the plan itself finds out is enough.
    found = plan([replace(planned("peft=bitfit"), refused=None), planned()])
    assert found.rows[0].progress.status is Status.refused
    assert "has none" in found.rows[0].progress.reason
    assert found.rows[1].progress.status is Status.to_train


def test_a_second_plan_finds_nothing_out_again(planned: Of, monkeypatch, tmp_path: Path) -> None:
    first = records.rows(plan([planned()]))
    assert list((tmp_path / facts.DIRECTORY).glob("*.json"))

    def none_left(waiting: list[facts.Job]) -> dict[str, facts.Fact]:
        assert waiting == []
        return {}

    monkeypatch.setattr(facts, "_found_out", none_left)
    assert records.rows(plan([planned()])) == first
    # What is kept changes no result: without it, all is found out again.
    for path in (tmp_path / facts.DIRECTORY).glob("*.json"):
        path.write_text("{")
    with pytest.raises(AssertionError):
        plan([planned()])


def test_like_cells_that_have_finished_say_how_long_and_how_large(planned: Of) -> None:
    theory = plan([planned()]).rows[0]
    finished = planned("seed=7").cell
    run = finished.directory
    run.mkdir(parents=True)
    (run / "cell.json").write_text(json.dumps(finished.record()))
    # The device is this machine's.
    name, _, cores = theory.device.rpartition(", ")
    hardware = {"processor": name, "cores": int(cores.split()[0]), "graphics": []}
    (run / "provenance.json").write_text(json.dumps({"hardware": hardware}))
    peak = 3 * 2**30
    (run / "train.json").write_text(
        json.dumps(
            {
                "tokens_per_second": 1000.0, "peak_memory_bytes": peak, "seconds": 50.0,
                "trainable_parameters": 81_920, "total_parameters": 1_738_112,
                "resumed_from": None,
            }
        )
    )  # fmt: skip
    began = time.time() - 1000
    os.utime(run / "cell.json", (began, began))
    os.utime(run / "train.json", (began + 60, began + 60))
    row = plan([planned()]).rows[0]
    assert row.bases[0] == "measured (1)"
    assert row.training is not None
    assert row.amount.tokens.value is not None
    assert row.training.middle == pytest.approx(row.amount.tokens.value / 1000 / 3600)
    assert row.memory_is_measured
    assert row.memory_bytes.value == pytest.approx(peak)
    assert not theory.memory_is_measured


def test_the_judge_costs_what_its_prices_say(planned: Of) -> None:
    judge = ("judge=openai", "judge.options.base_url=http://127.0.0.1:1/v1",
             "judge.options.model=tiny")  # fmt: skip
    prices = ("judge.options.price_per_million_prompt_tokens=1000000",
              "judge.options.price_per_million_new_tokens=0")  # fmt: skip
    free, unpriced = plan([planned(*BLOOM)]), plan([planned(*BLOOM, *judge)])
    assert free.totals.judge_calls.value == 0
    assert "judge:" not in printed(free)
    assert unpriced.totals.judge_calls.value == 1000
    assert unpriced.totals.judge_cost is None
    assert "price not stated" in printed(unpriced)
    priced = plan([planned(*BLOOM, *judge, *prices)])
    cost = priced.totals.judge_cost
    assert cost is not None
    # At least the tokens of the rubric and the question of 1,000 items, at 1 a token.
    assert cost > 1000 * 500
    assert priced.rows[0].cell.train_id == unpriced.rows[0].cell.train_id


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys; import tunegrid.plan.planning, tunegrid.plan.table, tunegrid.plan.records; "
        "import tunegrid.plan.probe; "
        "heavy = {'torch', 'transformers', 'peft', 'pandas'} & set(sys.modules); "
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
