from __future__ import annotations

import pytest
import torch

from doubles import tiny_bases
from tunegrid.config.choices import Layout
from tunegrid.data.tokens import NOT_TRAINED, Encoded
from tunegrid.training.microbatches import Form, flatten, lay_out, pad, plan

LENGTHS = [7, 30, 2, 12, 12, 90, 1, 25, 9]
LAYOUTS = [Layout.padded, Layout.sorted, Layout.flattened]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("budget", [1, 20, 64, 10_000])
def test_every_example_has_one_place_and_the_budget_holds(layout, budget):
    planned = plan(LENGTHS, layout, budget)
    assert sorted(index for batch in planned for index in batch) == list(range(len(LENGTHS)))
    for batch in planned:
        lengths = [LENGTHS[index] for index in batch]
        held = sum(lengths) if layout is Layout.flattened else max(lengths) * len(lengths)
        assert held <= budget or len(batch) == 1


def test_padded_keeps_the_order_and_sorted_wastes_less():
    padded = plan(LENGTHS, Layout.padded, 64)
    assert [index for batch in padded for index in batch] == list(range(len(LENGTHS)))

    def waste(planned: list[list[int]]) -> int:
        return sum(max(LENGTHS[i] for i in b) * len(b) for b in planned) - sum(LENGTHS)

    assert waste(plan(LENGTHS, Layout.sorted, 64)) < waste(padded)
    assert plan(LENGTHS, Layout.sorted, 64)[0] == [5]


def test_auto_is_not_a_layout():
    with pytest.raises(ValueError, match="auto"):
        plan(LENGTHS, Layout.auto, 64)


ONE = Encoded([5, 6, 7, 8], [NOT_TRAINED, NOT_TRAINED, 7, 8], prompt_tokens=2, truncated=False)
TWO = Encoded([9, 4], [NOT_TRAINED, 4], prompt_tokens=1, truncated=False)


def test_padded_tensors():
    batch = pad([ONE, TWO], pad_id=0)
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7, 8], [9, 4, 0, 0]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    n = NOT_TRAINED
    assert batch.targets.tolist() == [[n, 7, 8, n], [4, n, n, n]]
    assert (batch.tokens, batch.padded_tokens, batch.trained_tokens) == (6, 8, 3)


def test_flattened_tensors_never_train_one_example_on_the_next():
    batch = flatten([ONE, TWO])
    n = NOT_TRAINED
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7, 8, 9, 4]]
    assert batch.inputs["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1]]
    assert batch.targets.tolist() == [[n, 7, 8, n, 4, n]]
    assert set(batch.inputs) == {"input_ids", "position_ids"}
    assert (batch.tokens, batch.padded_tokens, batch.trained_tokens) == (6, 6, 3)


def test_a_mask_shows_each_example_to_itself_alone():
    batch = flatten([TWO, TWO], mask_dtype=torch.bfloat16)
    mask = batch.inputs["attention_mask"]
    assert mask.dtype is torch.bfloat16
    assert (mask[0, 0] == 0).tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False, False, True, True],
    ]
    assert set(batch.inputs) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_layout_loses_a_token(layout):
    examples = tiny_bases.examples("llama").examples
    batches = lay_out(examples, Form(layout, 100, pad_id=2))
    assert sum(batch.tokens for batch in batches) == sum(len(e.ids) for e in examples)
    trained = sum(e.trained_tokens for e in examples)
    assert sum(batch.trained_tokens for batch in batches) == trained
