"""How long training and answering take: from measurements, else from first principles.

Owns: the arithmetic of hours (docs/planning.md has its assumptions). Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tunegrid.plan import calibration, memory
from tunegrid.plan.architecture import Architecture
from tunegrid.plan.calibration import UTILIZATION, Measurement, Wanted
from tunegrid.plan.devices import Hardware
from tunegrid.plan.figures import Range

ANSWERING_UTILIZATION = 0.3
"""Assumed share of the stated bandwidth that generation reaches."""
PROMPT_TOKENS = 200
CHOICES = 15
"""Answers whose likelihoods are compared: all sets of four letters."""
FIRST_PRINCIPLES = 3.0
"""Band of what nothing was measured for."""
FIRST = "theory"
UNKNOWN = "none"


@dataclass(frozen=True)
class Duration:
    """Hours of one device, None where nothing says anything, and what they rest on."""

    hours: Range | None
    basis: str


def training(
    tokens: float | None,
    one: Architecture,
    wanted: Wanted,
    hardware: Hardware,
    measurements: Sequence[Measurement],
) -> Duration:
    """Return the hours of training over so many tokens, with validation and checkpoints as run."""
    if tokens is None:
        return Duration(None, UNKNOWN)
    match = calibration.nearest(measurements, wanted)
    if match is not None:
        rate = match.rate
        hours = Range(tokens / rate.high, tokens / rate.middle, tokens / rate.low)
        return Duration(hours.times(1 / 3600), match.basis)
    peak = hardware.single_peak if wanted.dtype == "float32" else hardware.half_peak
    if peak is None:
        return Duration(None, UNKNOWN)
    operations = 2 * one.base * tokens * wanted.passes
    seconds = operations / (peak * UTILIZATION[wanted.precision])
    return Duration(Range.around(seconds / 3600, FIRST_PRINCIPLES), FIRST)


@dataclass(frozen=True)
class Questions:
    """What one benchmark still asks of one cell."""

    benchmark: str
    items: float
    new_tokens: float
    """Of a mean answer, times the beams; 0 where likelihoods are compared."""
    compares: bool


def answering(
    asked: Questions,
    one: Architecture,
    given: memory.Setting,
    wanted: Wanted,
    hardware: Hardware,
    measurements: Sequence[Measurement],
) -> Duration:
    """Return the hours of answering a benchmark.

    Reading a prompt counts as training's forward pass does; each new token of a batch moves all
    weights once.
    """
    measured = None if asked.compares else _measured_rate(asked.benchmark, wanted, measurements)
    if measured is not None:
        rate, factor, basis = measured
        seconds = asked.items * asked.new_tokens / rate
        return Duration(Range.around(seconds / 3600, factor), basis)
    peak = hardware.single_peak if wanted.dtype == "float32" else hardware.half_peak
    if hardware.bandwidth is None or peak is None:
        return Duration(None, UNKNOWN)
    readings = asked.items * PROMPT_TOKENS * (CHOICES if asked.compares else 1)
    seconds = 2 * one.base * readings / (peak * UTILIZATION[wanted.precision])
    rows = given.generation_batch_tokens / (PROMPT_TOKENS + asked.new_tokens)
    batches = asked.items / min(max(1.0, rows), max(1.0, asked.items))
    moved = batches * asked.new_tokens * memory.weight_bytes(one, given)
    seconds += moved / (hardware.bandwidth * ANSWERING_UTILIZATION)
    return Duration(Range.around(seconds / 3600, FIRST_PRINCIPLES), FIRST)


def _measured_rate(
    benchmark: str, wanted: Wanted, measurements: Sequence[Measurement]
) -> tuple[float, float, str] | None:
    """Return new tokens a second, their band and basis, from the cells most like this one."""
    levels: dict[int, list[float]] = {}
    for one in measurements:
        answers, level = one.answers.get(benchmark), calibration.likeness(one, wanted)
        if answers is None or answers.tokens_per_second is None or level is None:
            continue
        # Whether it was trained in 3 passes or 2 is nothing to one that answers.
        rate = answers.tokens_per_second * calibration.scale(one, wanted)
        levels.setdefault(level, []).append(rate)
    if not levels:
        return None
    level = min(levels)
    rates = levels[level]
    middle = median(rates)
    spread = max(max(rates) / middle, middle / min(rates), calibration.FEWEST_SPREAD)
    basis = f"measured ({len(rates)})" if level == 0 else "scaled"
    return middle, min(calibration.MOST, calibration.band(level) * spread), basis


def expected_new_tokens(
    benchmark: str, base: str, measurements: Sequence[Measurement]
) -> float | None:
    """Return the mean length of answers so far, of the same base where it has answered."""
    found = [one for one in measurements if benchmark in one.answers]
    own = [one for one in found if one.base == base] or found
    return median(one.answers[benchmark].mean_new_tokens for one in own) if own else None


def start(wanted: Wanted, measurements: Sequence[Measurement]) -> float:
    """Return the hours from a cell's start to its first step, 0 where no such cell was timed."""
    seconds = [
        one.start_seconds
        for one in measurements
        if one.base == wanted.base and one.start_seconds is not None
    ]
    return median(seconds) / 3600 if seconds else 0.0
