"""Runs that are shown together are told apart by what differs, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunegrid.cells.labels import labelled, words
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


def config(seed: int = 0, rate: float | None = None, **names: str) -> dict[str, Any]:
    groups = ("model", "peft", "quantization", "data", "prompt", "train")
    made: dict[str, Any] = {group: {"name": names.get(group, group)} for group in groups}
    made["peft"] |= {"learning_rate": rate, "function": "x.attach"}
    made["train"]["learning_rate"] = 1e-3
    return made | {"seed": seed}


def test_the_method_and_what_differs() -> None:
    found = labelled({"x": config(peft="lora"), "y": config(peft="lora", seed=1)})
    assert found == {"x": "lora, seed 0", "y": "lora, seed 1"}


def test_methods_alone_need_no_more() -> None:
    assert labelled({"x": config(peft="lora"), "y": config(peft="ia3")}) == {
        "x": "lora", "y": "ia3"
    }  # fmt: skip


def test_the_rate_of_the_method_counts_before_the_trainings() -> None:
    found = labelled({"x": config(rate=0.01), "y": config()})
    assert found == {"x": "peft, rate 0.01", "y": "peft, rate 0.001"}


def test_runs_that_differ_in_no_name_are_told_apart_by_their_hash() -> None:
    found = labelled({"words-0a1bcc": config(), "words-2c3ddd": config(), "z": config(peft="own")})
    assert found == {"words-0a1bcc": "peft 0a1b", "words-2c3ddd": "peft 2c3d", "z": "own"}


def test_an_untuned_base_has_no_data_and_an_imported_row_a_name_alone(tmp_path: Path) -> None:
    tuned, untuned, imported = (RunDirectory(tmp_path / name) for name in "abc")
    settings = config(model="tiny")
    plain = config(model="tiny")
    plain["peft"]["function"] = None
    for run in (tuned, untuned, imported):
        run.create()
    tuned.write(run_files.CELL, {"train_id": "a", "config": settings})
    untuned.write(run_files.CELL, {"train_id": "b", "config": plain})
    imported.write(
        run_files.CELL, {"train_id": "c", "kind": run_files.IMPORTED, "name": "published"}
    )
    assert words(tuned)["data"] == "data"
    assert words(tuned)["seed"] == 0
    assert words(untuned)["base"] == "tiny"
    assert {words(untuned)[key] for key in ("data", "train", "seed")} == {None}
    assert words(imported) == {
        "train_id": "c", "kind": "imported", "base": "published", "method": "imported"
    }  # fmt: skip
