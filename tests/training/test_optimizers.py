"""Learning rates and optimizers that belong to a method."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from doubles import tiny_methods
from tunegrid.config.choices import Precision, Schedule


@pytest.mark.parametrize("optimizer", ["adamw_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit"])
def test_8_bit_and_paged_optimizers_train_and_continue(optimizer, tmp_path):
    """Tensors of 4,096 weights and more have 8-bit states; the bottlenecks here have 16,384."""
    settings = dataclasses.replace(
        tiny_methods.SETTINGS, optimizer=optimizer, schedule=Schedule.linear
    )

    def method():
        cell = tiny_methods.config("sadapter_p_large", "llama", Precision.nf4)
        return tiny_methods.attached(cell)

    straight = method()
    losses = []
    tiny_methods.trained(
        straight,
        "llama",
        tmp_path / "straight",
        settings=settings,
        on_record=lambda record: losses.append(record["loss"]),
    )
    assert losses[-1] < losses[0]
    continued = method()
    source = tmp_path / "straight"
    # As if killed after the second step: the third checkpoint was never written.
    import shutil

    shutil.rmtree(source / "checkpoint-3")
    resumed = []
    tiny_methods.trained(continued, "llama", source, settings=settings, on_resume=resumed.append)
    assert resumed == [2]
    expected = tiny_methods.trainable(straight.model)
    found = tiny_methods.trainable(continued.model)
    assert expected
    assert all(torch.equal(found[name], expected[name]) for name in expected)
