"""Training curves and learning rates from run directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunegrid.reports import learning_rates
from tunegrid.reports.figures import curves
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory


def run(results: Path, name: str, method: str, losses: list[float], **choices: Any) -> RunDirectory:
    made = RunDirectory(results / "runs" / name)
    made.create()
    config = {
        group: {"name": choices.get(group, group)}
        for group in ("model", "quantization", "data", "prompt", "train")
    }
    config |= {"peft": {"name": method}, "seed": choices.get("seed", 0)}
    identity = {"train": {"learning_rate": choices.get("rate", 0.001)}}
    made.write(run_files.CELL, {"train_id": name, "config": config, "identity": identity})
    records: list[dict[str, Any]] = [
        {"step": step, "loss": loss, "learning_rate": 0.001}
        for step, loss in enumerate(losses, start=1)
    ]
    made.write_lines(run_files.CURVE, [*records, {"step": len(losses), "validation_loss": 1.0}])
    made.write(
        run_files.TRAINED,
        {
            "steps": len(losses),
            "exported_step": len(losses),
            "validation_losses": {"1": 9.0, str(len(losses)): losses[-1]},
        },
    )
    return made


def test_a_row_is_a_recorded_step_smoothed_from_the_first(tmp_path):
    rows = curves.rows([run(tmp_path, "a-1", "lora", [4.0, 2.0, 3.0])])
    assert [row["loss"] for row in rows] == [4.0, 2.0, 3.0]
    assert [row["smoothed_loss"] for row in rows] == pytest.approx([4.0, 3.8, 3.72])
    assert {row["label"] for row in rows} == {"lora"}
    assert set(rows[0]) == set(curves.COLUMNS)


def test_labels_say_what_tells_the_runs_apart_and_the_order_is_asked_for(tmp_path):
    runs = [
        run(tmp_path, "x-aaaa1", "vera", [1.0]),
        run(tmp_path, "x-bbbb2", "lora", [1.0], seed=1),
        run(tmp_path, "x-cccc3", "adalora", [1.0]),
        run(tmp_path, "x-dddd4", "lora", [1.0]),
    ]
    labels = [row["label"] for row in curves.rows(runs, order=("lora", "adalora"))]
    assert labels == ["lora, seed 0", "lora, seed 1", "adalora, seed 0", "vera, seed 0"]
    twice = [*runs, run(tmp_path, "x-eeee5", "vera", [1.0])]
    labels = [row["label"] for row in curves.rows(twice)]
    assert len(set(labels)) == 5
    assert "vera, seed 0 aaaa" in labels


def test_a_run_that_was_not_trained_has_no_curve(tmp_path):
    made = run(tmp_path, "a", "none", [1.0])
    made.remove(run_files.CURVE)
    assert curves.rows([made]) == []


def test_the_figure_holds_every_curve(tmp_path):
    from PIL import Image

    runs = [
        run(tmp_path, f"r-{number}", f"method_{number}", [5.0 - number / 4, 2.0 + number / 10] * 20)
        for number in range(11)
    ]
    path = tmp_path / "figures" / "curves.png"
    curves.draw(curves.rows(runs), path, "Training loss")
    with Image.open(path) as image:
        assert image.size[0] >= 1000
        colours = image.convert("RGB").getcolors(maxcolors=10**6)
    assert colours is not None
    assert len(colours) > 50, "eleven lines with their shades"
    assert [p.name for p in path.parent.iterdir()] == ["curves.png"]


def test_the_best_rate_of_a_method_is_the_one_with_the_lowest_validation_loss(tmp_path):
    runs = [
        run(tmp_path, "a", "lora", [3.0, 2.0], rate=0.001),
        run(tmp_path, "b", "lora", [3.0, 1.0], rate=0.01),
        run(tmp_path, "c", "lora", [3.0, 2.0], rate=0.01, seed=1),
        run(tmp_path, "d", "vera", [3.0, 2.5], rate=0.01),
        run(tmp_path, "e", "vera", [3.0, 2.5, 0.1], rate=0.1),
    ]
    found = {(r["method"], r["learning_rate"], r["steps"]): r for r in learning_rates.rows(runs)}
    assert found["lora", 0.01, 2]["validation_loss"] == 1.5
    assert found["lora", 0.01, 2]["cells"] == 2
    best = {key for key, row in found.items() if row["best"]}
    # Runs of another length are compared with each other alone.
    assert best == {("lora", 0.01, 2), ("vera", 0.01, 2), ("vera", 0.1, 3)}


def test_the_rate_that_is_used_tells_runs_apart():
    from tunegrid.cells.labels import labelled

    groups = ("model", "quantization", "data", "prompt")
    config = {group: {"name": group} for group in groups} | {
        "train": {"name": "mini", "learning_rate": 0.003},
        "peft": {"name": "lora", "learning_rate": None},
        "seed": 0,
    }
    own = config | {"peft": {"name": "lora", "learning_rate": 0.01}}
    assert labelled({"a": config, "b": own}) == {"a": "lora, rate 0.003", "b": "lora, rate 0.01"}
