"""Totals of a run survive its interruptions, and the report adds them up."""

from __future__ import annotations

import json

import pytest

from tunegrid.training.report import Interrupted, Ledger


def ledger() -> Ledger:
    made = Ledger()
    for step in range(20):
        made.add_step(3.0 - step / 10, trained_tokens=2, tokens=5, padded_tokens=6)
    return made


def test_the_report_adds_up() -> None:
    made = ledger()
    made.seconds_before = 10.0
    report = made.report(
        epochs=2.0,
        exported_step=20,
        layout="sorted",
        peak_memory_bytes=7,
        resumed_from=None,
        compute_dtype="float32",
        attention="sdpa",
        gradient_checkpointing=False,
        micro_batch_tokens=512,
        changed_share=1.0,
    )
    assert (report.steps, report.trained_tokens, report.tokens) == (20, 40, 100)
    assert report.padded_tokens == 120
    assert (report.first_loss, report.last_loss) == (3.0, pytest.approx(1.1))
    # A tenth of 20 steps is two.
    assert report.first_tenth_loss == pytest.approx(2.95)
    assert report.last_tenth_loss == pytest.approx(1.15)
    assert report.seconds >= 10.0
    assert report.tokens_per_second == pytest.approx(100 / report.seconds)


def test_a_record_holds_means_since_the_one_before() -> None:
    made = Ledger()
    made.add_step(2.0, trained_tokens=1, tokens=3, padded_tokens=3)
    first = made.since_last_record()
    made.add_step(4.0, trained_tokens=3, tokens=3, padded_tokens=3)
    made.add_step(8.0, trained_tokens=1, tokens=3, padded_tokens=3)
    second = made.since_last_record()
    assert first["loss"] == pytest.approx(2.0)
    # Of tokens, not of steps.
    assert second["loss"] == pytest.approx((4.0 * 3 + 8.0) / 4)


def test_a_continued_run_goes_on_with_the_same_totals() -> None:
    made = ledger()
    made.since_last_record()
    made.validation_losses[10] = 2.0
    again = Ledger.from_json(json.loads(json.dumps(made.to_json())))
    assert again.step_losses == made.step_losses
    assert again.validation_losses == {10: 2.0}
    assert again.seconds_before > 0
    for one in (made, again):
        one.add_step(1.0, 2, 5, 6)
    kept = [
        {k: v for k, v in o.since_last_record().items() if "second" not in k} for o in (made, again)
    ]
    assert kept[0] == kept[1]
    assert kept[0]


def test_the_best_step_is_the_one_with_the_lowest_validation_loss() -> None:
    made = ledger()
    assert made.best_step is None
    made.validation_losses |= {5: 2.0, 10: 1.5, 15: 1.7}
    assert made.best_step == 10


def test_an_interruption_says_what_is_saved() -> None:
    assert Interrupted(7).step == 7
    assert "7" in str(Interrupted(7))
