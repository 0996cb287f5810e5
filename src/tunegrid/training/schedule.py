"""The arithmetic of a training run: how many steps, in which order, and what happens when.

Owns: numbers that follow from the settings and the number of examples. Imports nothing heavy, so
that a plan can be printed without torch.
"""

from __future__ import annotations

import math
import random

from tunegrid.config.choices import Schedule
from tunegrid.config.ranges import range_problems
from tunegrid.config.schema import TrainConfig


def steps_per_epoch(examples: int, settings: TrainConfig) -> int:
    """Return the optimizer steps of one epoch; the last one may have fewer examples."""
    return math.ceil(examples / settings.examples_per_step)


def total_steps(examples: int, settings: TrainConfig) -> int:
    """Return the optimizer steps of the whole run: `max_steps`, or what `epochs` amount to."""
    if settings.max_steps is not None:
        return settings.max_steps
    return math.ceil(settings.epochs * steps_per_epoch(examples, settings))


def warmup_steps(steps: int, settings: TrainConfig) -> int:
    """Return the steps over which the learning rate rises."""
    return math.ceil(steps * settings.warmup_share)


def rate_share(step: int, *, steps: int, warmup: int, schedule: Schedule) -> float:
    """Return the share (0 to 1) of the learning rate with which a step is made.

    The rise begins with one step's share and reaches the whole rate in its last step. What
    transformers' own schedules give, `step / warmup`, is 0 in the first step, which then trains
    nothing: one step with a warm-up would be none. After the warm-up both are the same.

    Args:
        step: counted from 0.
        steps: of the whole run.
        warmup: the steps of the rise, from `warmup_steps`.
        schedule: its form after the rise; a constant one has none.

    """
    if schedule is Schedule.constant:
        return 1.0
    if step < warmup:
        return (step + 1) / warmup
    if schedule is Schedule.constant_with_warmup:
        return 1.0
    gone = (step - warmup) / max(1, steps - warmup)
    if schedule is Schedule.linear:
        return max(0.0, 1.0 - gone)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * gone)))


def points(steps: int, epoch_steps: int, per_epoch: int) -> frozenset[int]:
    """Return the steps, counted from 1, after which something happens `per_epoch` times an epoch.

    They are spread evenly over each epoch and always hold the last step; empty for 0 an epoch.
    """
    if per_epoch <= 0:
        return frozenset()
    epochs = math.ceil(steps / epoch_steps)
    marks = {
        max(1, round(epoch * epoch_steps + part * epoch_steps / per_epoch))
        for epoch in range(epochs)
        for part in range(1, per_epoch + 1)
    }
    return frozenset(mark for mark in marks if mark < steps) | {steps}


def order(examples: int, seed: int, epoch: int) -> list[int]:
    """Return the order of the examples in an epoch, counted from 0: a function of its arguments.

    Drawn with python's generator, whose shuffle has been the same in every version since 3.2, so
    the order belongs to the cell and not to the libraries of the day.
    """
    indices = list(range(examples))
    random.Random(f"order of epoch {epoch} with seed {seed}").shuffle(indices)  # noqa: S311
    return indices


def problems(settings: TrainConfig, validation_examples: int) -> list[str]:
    """Return what is wrong with the settings.

    Args:
        settings: the settings.
        validation_examples: how many examples are held out.

    """
    found = range_problems(settings, "train.")
    if settings.evaluations_per_epoch > 0 and validation_examples == 0:
        found.append(
            "train.evaluations_per_epoch needs validation examples; "
            "set data.validation_examples, or train.evaluations_per_epoch to 0"
        )
    if settings.keep_best and settings.evaluations_per_epoch <= 0:
        found.append(
            "train.keep_best chooses by validation loss; set train.evaluations_per_epoch to at "
            "least 1, or train.keep_best to false"
        )
    return found
