"""The nearest measurement and its band; what runs and probes say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from doubles.sizes import PLAIN
from tunegrid.plan import calibration
from tunegrid.plan.calibration import Measurement, Wanted, nearest
from tunegrid.plan.devices import is_same

A100 = "NVIDIA A100-SXM4-80GB"


WANTED = Wanted("llama_7b", 7_000_000_000, "lora", "int8", "bfloat16", A100, 2)


SAME = Measurement(
    "llama_7b", 7_000_000_000, "lora", "int8", "bfloat16", A100, 2, 1000.0, 20e9, PLAIN
)


def band(match: calibration.Match) -> float:
    return match.rate.high / match.rate.middle


def test_the_same_cell_gives_its_own_rate_and_its_own_spread():
    one = nearest([SAME], WANTED)
    assert one is not None
    assert (one.rate.middle, one.basis, one.level) == (1000.0, "measured (1)", 0)
    assert band(one) == pytest.approx(1.4)
    several = nearest([SAME, replace(SAME, tokens_per_second=1500.0), SAME], WANTED)
    assert several is not None
    assert several.rate.middle == 1000.0
    assert band(several) == pytest.approx(1.5)


def test_the_further_the_wider():
    other_method = replace(SAME, method="adalora")
    other_precision = replace(SAME, precision="nf4")
    other_base = replace(SAME, base="bloom_7b1")
    bands = []
    for one in (SAME, other_method, other_base, other_precision):
        match = nearest([one], WANTED)
        assert match is not None
        bands.append(band(match))
    assert bands == sorted(bands)
    assert bands[1] > bands[0]
    assert bands[-1] <= calibration.MOST
    both = nearest([other_base, other_method, other_precision], WANTED)
    assert both is not None
    assert both.basis == "scaled from adalora"


def test_another_base_is_scaled_by_its_parameters_and_another_method_by_its_passes():
    half = replace(SAME, base="small", parameters=3_500_000_000)
    match = nearest([half], WANTED)
    assert match is not None
    assert match.rate.middle == pytest.approx(500)
    packed = nearest([replace(SAME, precision="nf4")], WANTED)
    assert packed is not None
    shares = calibration.UTILIZATION
    assert packed.rate.middle == pytest.approx(1000 * shares["int8"] / shares["nf4"])
    full = replace(SAME, method="full", passes=3)
    match = nearest([full], WANTED)
    assert match is not None
    assert match.rate.middle == pytest.approx(1500)


def test_nothing_is_scaled_from_the_miniature_another_device_or_another_type():
    assert nearest([replace(SAME, base="mini_llama", parameters=1_700_000)], WANTED) is None
    assert nearest([replace(SAME, device="NVIDIA L40S")], WANTED) is None
    assert nearest([replace(SAME, precision="fp32", dtype="float32")], WANTED) is None
    assert is_same("A100", A100)
    assert not is_same("A100 40GB", A100)


def test_checkpointing_and_full_training_go_through_the_weights_more_often():
    assert calibration.passes(10, 1000, has_checkpointing=False) == 2
    assert calibration.passes(10, 1000, has_checkpointing=True) == 3
    assert calibration.passes(1000, 1000, has_checkpointing=False) == 3


def test_measured_peaks_correct_the_formula_of_like_cells_alone():
    measured = replace(SAME, peak_memory_bytes=30e9)
    other = replace(SAME, method="full", peak_memory_bytes=90e9)
    assert calibration.peak_correction([measured, other], WANTED, lambda setting: 20e9) == 1.5
    assert calibration.peak_correction([other], WANTED, lambda setting: 20e9) is None


def test_probes_are_read_and_damaged_ones_are_left_out(planned, tmp_path: Path):
    record = {
        "config": planned("runtime.device=cpu").cell.record()["config"],
        "hardware": {"processor": "P", "cores": 2, "graphics": [A100]},
        "tokens_per_second": 1234.0,
        "peak_memory_bytes": 5,
        "trainable_parameters": 1,
        "total_parameters": 100,
    }
    directory = tmp_path / calibration.DIRECTORY
    directory.mkdir()
    (directory / "good.json").write_text(json.dumps(record))
    (directory / "cut.json").write_text(json.dumps(record)[:50])
    (directory / "zero.json").write_text(json.dumps(record | {"tokens_per_second": 0}))
    [one] = calibration.read(tmp_path)
    assert (one.base, one.method, one.tokens_per_second) == ("mini_llama", "lora", 1234.0)
    # The cell was asked to run on the processor, whatever cards there are.
    assert one.device == "P, 2 cores"
