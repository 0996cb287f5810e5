"""What follows each optimizer step: a checkpoint, an evaluation, a stop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tunegrid.training.callbacks import StepEvents
from tunegrid.training.report import Ledger
from tunegrid.training.sampler import StepSampler


class Trainer:
    """Says of all processes what this one says."""

    def __init__(self) -> None:
        self.checked = 0
        self.skips = False

    def sum_over_processes(self, values: list[float]) -> list[float]:
        return values

    def end_of_passes(self) -> None:
        self.checked += 1

    def step_was_skipped(self) -> bool:
        return self.skips


def events(**options: Any) -> StepEvents:
    ledger = Ledger()
    ledger.add_step(2.5, 3, 7, 8)
    chosen: dict[str, Any] = {
        "sampler": StepSampler(10, 4, 0),
        "ledger": ledger,
        "save_at": frozenset({2}),
        "evaluate_at": frozenset({3}),
        "after_step": None,
        "should_stop": lambda: False,
        "progress": False,
    } | options
    made = StepEvents(**chosen)
    made.trainer = Trainer()
    return made


def state(step: int, last: int = 9) -> Any:
    return SimpleNamespace(global_step=step, max_steps=last, is_world_process_zero=True)


def control() -> Any:
    return SimpleNamespace(
        should_save=False, should_evaluate=False, should_log=False, should_training_stop=False
    )


def asked(made: StepEvents, step: int, last: int = 9) -> set[str]:
    """What is asked of the Trainer after a step."""
    made.on_train_begin(None, state(step - 1, last), None)
    given = made.on_step_end(None, state(step, last), control())
    return {name for name, value in vars(given).items() if value}


def test_checkpoints_and_evaluations_come_after_their_steps() -> None:
    made = events()
    assert [asked(made, step) for step in (1, 2, 3)] == [
        set(),
        {"should_save"},
        {"should_evaluate"},
    ]
    assert not made.interrupted


def test_a_wish_to_stop_saves_and_stops() -> None:
    made = events(should_stop=lambda: True)
    assert asked(made, 1) == {"should_save", "should_training_stop"}
    assert made.interrupted


def test_the_wish_of_another_process_counts_too() -> None:
    made = events()
    made.trainer.sum_over_processes = lambda values: [1.0]
    assert "should_training_stop" in asked(made, 1)


def test_after_the_last_step_there_is_nothing_to_stop() -> None:
    made = events(should_stop=lambda: True)
    assert asked(made, 9) == {"should_log"}
    assert not made.interrupted


@pytest.mark.parametrize(("step", "epoch"), [(0, 0), (2, 0), (3, 1), (7, 2)])
def test_the_sampler_is_told_the_epoch_also_in_the_middle_of_one(step: int, epoch: int) -> None:
    """Ten examples, four a step: three steps an epoch."""
    sampler = StepSampler(10, 4, 0)
    events(sampler=sampler).on_epoch_begin(None, state(step), None)
    assert sampler.epoch == epoch


def test_a_method_gets_its_turn_and_gradients_are_looked_at() -> None:
    turns: list[int] = []
    made = events(after_step=turns.append)
    made.on_pre_optimizer_step(None, state(4), None)
    made.on_optimizer_step(None, state(4), None)
    assert (made.trainer.checked, turns) == (1, [4])
    # A step that a scaler skipped has gradients of no use to anybody.
    made.trainer.skips = True
    made.on_optimizer_step(None, state(5), None)
    assert (turns, made._ledger.skipped_steps) == ([4], 1)


def test_it_can_be_closed_before_it_began() -> None:
    events().close()
