from __future__ import annotations

import subprocess
import sys

import pytest

from tunegrid.config.choices import Schedule
from tunegrid.config.schema import TrainConfig
from tunegrid.training.schedule import (
    order,
    points,
    problems,
    rate_share,
    steps_per_epoch,
    total_steps,
)


def test_steps_follow_from_examples():
    assert steps_per_epoch(100, TrainConfig(examples_per_step=32)) == 4
    assert total_steps(100, TrainConfig(examples_per_step=32, epochs=2.5)) == 10
    assert total_steps(100, TrainConfig(examples_per_step=32, max_steps=7)) == 7


def test_points_are_spread_over_each_epoch_and_end_with_the_last_step():
    assert points(20, 10, 2) == {5, 10, 15, 20}
    assert points(7, 10, 2) == {5, 7}
    assert points(3, 1, 4) == {1, 2, 3}
    assert points(20, 10, 0) == frozenset()


def shares(steps: int, warmup: int, schedule: Schedule) -> list[float]:
    return [
        rate_share(step, steps=steps, warmup=warmup, schedule=schedule) for step in range(steps)
    ]


def test_the_rate_rises_from_one_steps_share():
    assert shares(1, 1, Schedule.linear) == [1.0]
    assert shares(6, 3, Schedule.constant_with_warmup) == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])
    assert shares(6, 2, Schedule.linear) == pytest.approx([1 / 2, 1, 1, 3 / 4, 1 / 2, 1 / 4])
    assert shares(3, 2, Schedule.constant) == [1, 1, 1]


@pytest.mark.parametrize("schedule", list(Schedule))
def test_after_the_rise_the_rate_is_that_of_transformers(schedule: Schedule):
    torch = pytest.importorskip("torch")
    from transformers import get_scheduler

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = get_scheduler(schedule.value, optimizer, num_warmup_steps=4, num_training_steps=20)
    ours = shares(20, 4, schedule)
    for step in range(20):
        if step >= 4:
            assert ours[step] == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_an_order_is_a_permutation_that_depends_on_seed_and_epoch():
    first = order(50, seed=0, epoch=0)
    assert sorted(first) == list(range(50))
    assert first != order(50, seed=0, epoch=1)
    assert first != order(50, seed=1, epoch=0)
    assert first == order(50, seed=0, epoch=0)


def test_an_order_never_changes():
    """The order of a cell's examples is a part of what it is: these numbers may not change."""
    assert order(10, seed=0, epoch=0) == ORDER_OF_SEED_0
    assert order(10, seed=7, epoch=3) == ORDER_OF_SEED_7


ORDER_OF_SEED_0 = [0, 2, 5, 9, 3, 6, 7, 1, 4, 8]
ORDER_OF_SEED_7 = [3, 4, 1, 9, 6, 5, 7, 0, 2, 8]


def test_wrong_settings_are_named():
    wrong = TrainConfig(epochs=0, examples_per_step=0, warmup_share=1.0, evaluations_per_epoch=1)
    found = problems(wrong, validation_examples=0)
    for name in ("epochs", "examples_per_step", "warmup_share", "validation_examples"):
        assert any(name in problem for problem in found)
    assert problems(TrainConfig(), validation_examples=0) == []


def test_planning_needs_no_torch():
    modules = (
        "models.bases.loading",
        "models.bases.skeleton",
        "models.inference.generation",
        "models.methods.library",
        "training.microbatches",
        "models.quantization",
        "data.tokens",
        "training.train",
        "training.schedule",
    )
    imports = ", ".join(f"tunegrid.{module}" for module in modules)
    heavy = "{'torch', 'transformers', 'peft'}"
    code = f"import sys, {imports}; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
