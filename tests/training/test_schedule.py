from __future__ import annotations

import subprocess
import sys

from tunegrid.config.schema import TrainConfig
from tunegrid.training.schedule import order, points, problems, steps_per_epoch, total_steps


def test_steps_follow_from_examples():
    assert steps_per_epoch(100, TrainConfig(examples_per_step=32)) == 4
    assert total_steps(100, TrainConfig(examples_per_step=32, epochs=2.5)) == 10
    assert total_steps(100, TrainConfig(examples_per_step=32, max_steps=7)) == 7


def test_points_are_spread_over_each_epoch_and_end_with_the_last_step():
    assert points(20, 10, 2) == {5, 10, 15, 20}
    assert points(7, 10, 2) == {5, 7}
    assert points(3, 1, 4) == {1, 2, 3}
    assert points(20, 10, 0) == frozenset()


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
