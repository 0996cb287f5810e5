"""Hours of training: from the most alike measurement, or from first principles."""

from __future__ import annotations

import pytest

from doubles.sizes import LLAMA, PLAIN
from tunegrid.plan import calibration, hours
from tunegrid.plan.calibration import Measurement, Wanted
from tunegrid.plan.devices import Hardware

A100 = "NVIDIA A100-SXM4-80GB"


WANTED = Wanted("llama_7b", 7_000_000_000, "lora", "int8", "bfloat16", A100, 2)


SAME = Measurement(
    "llama_7b", 7_000_000_000, "lora", "int8", "bfloat16", A100, 2, 1000.0, 20e9, PLAIN
)


CARD = Hardware("A100", False, 312e12, 19.5e12, 2e12)


def test_without_measurements_first_principles_count_with_a_factor_of_three():
    found = hours.training(1e6, LLAMA, WANTED, CARD, [])
    assert found.basis == hours.FIRST
    assert found.hours is not None
    # Forward and back through frozen weights: 2 x 2 operations a weight and token.
    seconds = 4 * LLAMA.base * 1e6 / (312e12 * calibration.UTILIZATION["int8"])
    assert found.hours.middle == pytest.approx(seconds / 3600)
    assert found.hours.high / found.hours.low == pytest.approx(9)
    measured = hours.training(1e6, LLAMA, WANTED, CARD, [SAME])
    assert measured.hours is not None
    assert measured.hours.middle == pytest.approx(1e6 / 1000 / 3600)
    unknown = Hardware("NVIDIA B9999", False, None, None, None)
    assert hours.training(1e6, LLAMA, WANTED, unknown, []).hours is None
    assert hours.training(None, LLAMA, WANTED, CARD, [SAME]).hours is None
