"""How fast cells like this one were: measurements of finished cells and of probes.

Owns: reading measurements and choosing the nearest. Finished cells are read where they lie, so
nothing has to be told that a cell has finished; a probe writes one file of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from tunegrid.config.errors import StoreError
from tunegrid.plan import devices, memory, timing
from tunegrid.plan.figures import Range
from tunegrid.plan.timing import Answers
from tunegrid.store import json_files, run_directory, run_files
from tunegrid.store.run_directory import RunDirectory

DIRECTORY = "calibration"
FEWEST_SPREAD = 1.4
"""Band of a single measurement; of several, at least their own spread."""
LEAST_SPREAD = 1.25
OTHER_METHOD = 1.5
OTHER_BASE = 2.0
OTHER_QUANTIZATION = 3.0
MOST = 4.0
"""No band is wider."""
MOST_SCALED = 20.0
"""A base is scaled to one at most so many times larger or smaller: small ones spend their time on
other things than arithmetic."""
UTILIZATION = {"fp32": 0.35, "fp16": 0.35, "bf16": 0.35, "int8": 0.15, "nf4": 0.25}
"""Assumed shares of a device's stated peak that training reaches, by how weights are held."""


@dataclass(frozen=True)
class Measurement:
    """What one run or probe has shown."""

    base: str
    parameters: int
    method: str
    precision: str
    dtype: str
    device: str
    passes: int
    """Of the base's weights for each trained token: see `passes`."""
    tokens_per_second: float
    """Of one GPU, or of the whole process on a CPU."""
    peak_memory_bytes: float
    setting: memory.Setting
    answers: Mapping[str, Answers] = field(default_factory=dict)
    """What its evaluation has shown, by benchmark."""
    start_seconds: float | None = None
    """From the cell's start to its first step; None where it cannot be told."""


@dataclass(frozen=True)
class Wanted:
    """What a measurement is looked for."""

    base: str
    parameters: int
    method: str
    precision: str
    dtype: str
    device: str
    passes: int


@dataclass(frozen=True)
class Match:
    """A rate with its band, and what it rests on."""

    rate: Range
    """Tokens a second of one device."""
    basis: str
    level: int
    """0: the same in everything; higher: less alike."""


def passes(trainable: int, total: int, *, has_checkpointing: bool) -> int:
    """Return how often a token goes through the weights: forward, back, and for their gradients.

    A frozen base needs no gradients of its weights; checkpointing goes forward a second time.
    """
    return (3 if trainable > total / 2 else 2) + int(has_checkpointing)


def read(results: Path) -> list[Measurement]:
    """Return what finished cells and probes under `results` have shown; damaged ones have not."""
    found = []
    for run in run_directory.finished_runs(results):
        if run.has(run_files.TRAINED):
            found += _readable(run.path, lambda run=run: _of_run(run))  # type: ignore[misc]
    for path in sorted((results / DIRECTORY).glob("*.json")):
        found += _readable(path, lambda path=path: measurement(json_files.read_json(path)))  # type: ignore[misc]
    return found


def _readable(path: Path, reading: Any) -> list[Measurement]:
    try:
        return [reading()]
    except (StoreError, KeyError, TypeError, AttributeError, ValueError):
        # `tunegrid status` names damaged runs; a plan has no use for them.
        return []


def _of_run(run: RunDirectory) -> Measurement:
    record, report = run.read(run_files.CELL), run.read(run_files.TRAINED)
    hardware = run.read(run_files.PROVENANCE)["hardware"]
    one = measurement({"config": record["config"], "hardware": hardware, **report})
    return Measurement(
        **{**vars(one), "answers": timing.answers(run), "start_seconds": timing.start_seconds(run)}
    )


def measurement(record: Mapping[str, Any]) -> Measurement:
    """Return the measurement in a record: settings, hardware, and what training has reported.

    Raises:
        KeyError: something is missing.
        ValueError: a rate that is not above 0.
    """
    config, total = record["config"], record["total_parameters"]
    setting = memory.setting(config)
    # What was done counts, where the settings left it to the device's memory.
    again = record.get("gradient_checkpointing", bool(setting.has_gradient_checkpointing))
    if not record["tokens_per_second"] > 0:
        raise ValueError("a rate must be above 0")
    device = devices.device_name(record["hardware"], config["runtime"]["device"])
    gpus = 1 if "cores" in device else config["runtime"].get("gpus_per_cell", 1)
    return Measurement(
        base=config["model"]["name"],
        parameters=total,
        method=config["peft"]["name"],
        precision=config["quantization"]["precision"],
        dtype=config["quantization"]["dtype"],
        device=device,
        passes=passes(
            record["trainable_parameters"],
            total,
            has_checkpointing=again,
        ),
        tokens_per_second=record["tokens_per_second"] / gpus,
        peak_memory_bytes=record["peak_memory_bytes"],
        setting=replace(setting, has_gradient_checkpointing=again),
    )


def nearest(measurements: Iterable[Measurement], wanted: Wanted) -> Match | None:
    """Return the rate of the most similar measurements; None where none can be scaled."""
    levels: dict[int, list[Measurement]] = {}
    for one in measurements:
        level = likeness(one, wanted)
        if level is not None:
            levels.setdefault(level, []).append(one)
    if not levels:
        return None
    level = min(levels)
    rates = [
        one.tokens_per_second * scale(one, wanted) * one.passes / wanted.passes
        for one in levels[level]
    ]
    middle = median(rates)
    spread = max(max(rates) / middle, middle / min(rates), LEAST_SPREAD)
    if len(rates) == 1:
        spread = FEWEST_SPREAD
    factor = min(MOST, band(level) * spread)
    return Match(Range.around(middle, factor), _basis(level, levels[level]), level)


def likeness(one: Measurement, wanted: Wanted) -> int | None:
    """Return how unlike a measurement is; None where it says nothing.

    1 is added for another method, 2 for another base, 4 for another quantization. What computes in
    another type says nothing: a card's peaks in 16 and 32 bit are up to 16 times apart.
    """
    if not devices.is_same(one.device, wanted.device) or one.dtype != wanted.dtype:
        return None
    level = int(one.method != wanted.method) + 4 * int(one.precision != wanted.precision)
    if one.base != wanted.base:
        ratio = one.parameters / max(1, wanted.parameters)
        if not 1 / MOST_SCALED <= ratio <= MOST_SCALED:
            return None
        level += 2
    return level


def band(level: int) -> float:
    """Return how far a rate of this likeness may be off, before the spread of measurements."""
    factor = OTHER_METHOD if level & 1 else 1.0
    factor *= OTHER_BASE if level & 2 else 1.0
    factor *= OTHER_QUANTIZATION if level & 4 else 1.0
    return min(factor, MOST)


def scale(one: Measurement, wanted: Wanted) -> float:
    """Return by what a measured rate is multiplied for the wanted size and quantization."""
    size = 1.0 if one.base == wanted.base else one.parameters / max(1, wanted.parameters)
    return size * UTILIZATION[wanted.precision] / UTILIZATION[one.precision]


def _basis(level: int, matched: list[Measurement]) -> str:
    if level == 0:
        return f"measured ({len(matched)})"
    one = matched[0]
    other = [
        name for bit, name in ((1, one.method), (2, one.base), (4, one.precision)) if level & bit
    ]
    return f"scaled from {', '.join(other)}"


def peak_correction(
    measurements: Iterable[Measurement], wanted: Wanted, estimate: Any
) -> float | None:
    """Return measured by estimated peak memory, the median of cells that differ in settings alone.

    Args:
        measurements: all there are.
        wanted: base, method, quantization and device have to be the same.
        estimate: returns the formula's bytes for a `memory.Setting`.
    """
    ratios = [
        one.peak_memory_bytes / estimate(one.setting)
        for one in measurements
        if likeness(one, wanted) == 0
    ]
    return median(ratios) if ratios else None
