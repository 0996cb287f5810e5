"""The examples of each optimizer step are the same however many processes take them."""

from __future__ import annotations

from itertools import chain

import pytest
import torch

from doubles import tiny_bases
from tunegrid.config.choices import Layout
from tunegrid.training.microbatches import Form, lay_out
from tunegrid.training.sampler import StepSampler, to_device


def test_every_example_once_an_epoch_in_another_order_each() -> None:
    sampler = StepSampler(10, 4, seed=0)
    first = list(sampler)
    assert [len(step) for step in first] == [4, 4, 2]
    assert len(sampler) == 3
    assert sorted(chain(*first)) == list(range(10))
    assert list(sampler) == first
    sampler.epoch = 1
    second = list(sampler)
    assert sorted(chain(*second)) == list(range(10))
    assert second != first


def test_another_seed_another_order() -> None:
    assert list(StepSampler(50, 4, seed=0)) != list(StepSampler(50, 4, seed=1))


@pytest.mark.parametrize("processes", [2, 3])
def test_the_shares_of_all_processes_are_the_step_of_one(processes: int) -> None:
    alone = list(StepSampler(13, 4, seed=7))
    shares = [list(StepSampler(13, 4, 7, rank, processes)) for rank in range(processes)]
    assert {len(share) for share in shares} == {len(alone)}
    for number, step in enumerate(alone):
        assert sorted(chain(*(share[number] for share in shares))) == sorted(step)
    # One example is left for the last step: all but one process have nothing to do in it.
    assert sorted(len(share[-1]) for share in shares) == [0] * (processes - 1) + [1]


def test_a_micro_batch_goes_to_a_device_as_a_whole() -> None:
    form = Form(Layout.padded, 10_000, pad_id=0)
    (batch,) = lay_out(tiny_bases.examples("llama", 3).examples, form)
    moved = to_device(batch, torch.device("meta"))
    assert {t.device.type for t in [*moved.inputs.values(), moved.targets]} == {"meta"}
    assert moved.trained_tokens == batch.trained_tokens
    assert {t.device.type for t in batch.inputs.values()} == {"cpu"}
