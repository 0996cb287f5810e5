"""Examples, tokens and steps: exact where the files are, marked where sizes are stated."""

from __future__ import annotations

import json

import pytest

from tunegrid.plan import examples, facts
from tunegrid.plan.figures import Basis
from tunegrid.training import schedule


def test_files_that_are_here_are_counted_as_training_counts_them(planned):
    cell = planned("train.epochs=2").cell
    job = examples.job(cell)
    assert job is not None
    fact = facts._run(job)
    found = examples.amount(cell, fact)
    assert (found.examples.value, found.examples.basis) == (1331, Basis.exact)
    assert (found.steps.value, found.steps.basis) == (2 * 42, Basis.exact)
    assert found.tokens.value == 2 * fact["tokens"]
    assert found.tokens.basis == found.trained_tokens.basis == Basis.exact
    # A part of an epoch: which examples it has is not looked at.
    part = examples.amount(planned("train.max_steps=10").cell, fact)
    assert (part.steps.value, part.steps.basis) == (10, Basis.exact)
    assert part.tokens.basis is Basis.stated
    assert part.tokens.value == pytest.approx(fact["tokens"] * 320 / 1331)


def test_held_out_examples_and_counts_are_taken_off(planned):
    cell = planned("data.validation_examples=31", "data.collections.mini_exam.count=29").cell
    fact = facts._run(examples.job(cell))
    # 1,331 have 329 of the exam.
    assert examples.amount(cell, fact).examples.value == 1331 - 300 - 31


def test_larger_mixtures_are_tokenized_in_part(planned, monkeypatch):
    cell = planned().cell
    whole = facts._run(examples.job(cell))
    monkeypatch.setattr(examples, "TOKENIZED_EXAMPLES", 400)
    part = facts._run(examples.job(cell))
    assert part["is_sample"]
    assert not whole["is_sample"]
    assert part["tokens"] == pytest.approx(whole["tokens"], rel=0.1)
    found = examples.amount(cell, part)
    assert (found.examples.basis, found.tokens.basis) == (Basis.exact, Basis.stated)


def test_absent_files_are_stated_sizes(planned):
    item = planned("model=llama_7b", "data=alpaca_gpt4_zh", "train=paper", "eval=study")
    config = item.cell.config
    assert item.missing
    assert examples.job(item.cell) is None
    found = examples.amount(item.cell, None)
    [collection] = config.data.collections.values()
    assert found.examples.value == collection.stated_examples - config.data.validation_examples
    assert found.examples.basis is Basis.stated
    assert found.steps.value == schedule.total_steps(int(found.examples.value), config.train)
    assert found.steps.basis is Basis.stated
    assert found.tokens.value is not None
    longest = found.examples.value * config.train.epochs * config.train.max_length_tokens
    assert 0 < found.trained_tokens.value < found.tokens.value <= longest


def test_what_nobody_states_is_assumed_and_marked(planned):
    item = planned(
        "model=bloom_7b1", "data=alpaca_gpt4_zh", "model.characters_per_token={}",
        "data.collections.alpaca_gpt4_zh.stated_characters=null", "eval=none",
    )  # fmt: skip
    found = examples.amount(item.cell, None)
    assert found.tokens.basis is Basis.assumed
    assert found.tokens.basis.mark == "?"
    unstated = planned(
        "data=alpaca_gpt4_zh", "data.collections.alpaca_gpt4_zh.stated_examples=null"
    )
    nothing = examples.amount(unstated.cell, None)
    assert (nothing.examples.value, nothing.steps.value) == (None, None)


def test_a_run_that_has_begun_knows_its_own_numbers(planned):
    item = planned("data=alpaca_gpt4_zh", "train.epochs=3", "train.max_steps=null")
    item.cell.directory.mkdir(parents=True)
    counted = {"examples": 100, "tokens": 5000, "trained_tokens": 2000}
    (item.cell.directory / "data.json").write_text(json.dumps({"train_tokens": counted}))
    found = examples.amount(item.cell, None)
    assert (found.examples.value, found.examples.basis) == (100, Basis.exact)
    assert (found.trained_tokens.value, found.trained_tokens.basis) == (6000, Basis.exact)


def test_a_base_as_it_is_trains_on_nothing(planned):
    item = planned("peft=none")
    assert examples.job(item.cell) is None
    assert examples.amount(item.cell, None) == examples.NOTHING
