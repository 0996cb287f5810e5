"""Several processes train as one does: the same losses, each other's checkpoints, one end."""

from __future__ import annotations

import dataclasses

import numpy
import pytest

from doubles.together import EXAMPLES, Task, run
from tunegrid.config.choices import Layout
from tunegrid.training.checkpoints import Checkpoints

STEPS = 8


def curve(said: dict, name: str = "loss") -> list[float]:
    return [record[name] for record in said["records"] if name in record]


@pytest.mark.parametrize(
    ("kind", "layout", "count"),
    [
        pytest.param("llama", Layout.padded, 2, marks=pytest.mark.slow),
        pytest.param("llama", Layout.sorted, 3, marks=pytest.mark.slow),
        ("llama", Layout.flattened, 2),
        ("bloom", Layout.sorted, 2),
    ],
)
def test_losses_are_those_of_one_process(kind, layout, count, tmp_path):
    [alone] = run(Task(tmp_path / "alone", kind, layout), 1)
    leader, *others = run(Task(tmp_path / "together", kind, layout), count)
    assert len(curve(alone)) == STEPS
    for name in ("loss", "gradient_norm", "validation_loss"):
        assert curve(leader, name) == pytest.approx(curve(alone, name), abs=1e-5)
    for name in ("trained_tokens", "tokens", "learning_rate"):
        assert curve(leader, name) == curve(alone, name)
    for name, weights in alone["weights"].items():
        assert leader["weights"][name] == pytest.approx(weights, abs=1e-4)
        assert all(
            numpy.array_equal(one["weights"][name], leader["weights"][name]) for one in others
        )
    assert others
    assert all(one["records"] == [] for one in others)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(2, 1, marks=pytest.mark.slow),
        (1, 2),
        pytest.param(2, 3, marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_continues_with_another_number_of_processes(first, second, tmp_path):
    [alone] = run(Task(tmp_path / "alone"), 1)
    task = Task(tmp_path / "moved")
    before = run(dataclasses.replace(task, stop_after=3), first)[0]
    after = run(task, second)[0]
    assert (before["stopped_after"], after["report"]["resumed_from"]) == (3, 3)
    assert curve(before) + curve(after) == pytest.approx(curve(alone), abs=1e-5)
    assert curve(after, "validation_loss")[-1] == pytest.approx(
        curve(alone, "validation_loss")[-1], abs=1e-5
    )


@pytest.mark.slow
def test_stopped_and_continued_ends_with_the_same_bytes_also_with_dropout(tmp_path):
    straight = run(Task(tmp_path / "straight", dropout=0.3), 2)[0]
    task = Task(tmp_path / "stopped", dropout=0.3)
    run(dataclasses.replace(task, stop_after=3), 2)
    continued = run(task, 2)[0]
    for name, weights in straight["weights"].items():
        assert numpy.array_equal(continued["weights"][name], weights)


def test_a_wish_to_stop_that_reaches_one_process_stops_all_at_the_same_step(tmp_path):
    directory = tmp_path / "stopped"
    both = run(Task(directory, stop_after=2), 2)
    assert [said["stopped_after"] for said in both] == [2, 2]
    assert Checkpoints(directory).steps() == [2]
    names = {path.name for path in Checkpoints(directory).path(2).iterdir()}
    assert {"rng_state_0.pth", "rng_state_1.pth", "trainable.safetensors"} <= names


def test_processes_that_see_other_examples_are_refused(tmp_path):
    both = run(Task(tmp_path / "differing", examples_by_rank=(EXAMPLES, EXAMPLES - 1)), 2)
    for said in both:
        assert "StageError" in said["error"]
        assert "do not see the same training examples" in said["error"]
        assert said["records"] == []
