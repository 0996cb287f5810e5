"""The plan of a sweep: every cell with what it would train, take and cost, before any is run.

Owns: putting the parts together, and the totals. Imports no torch: what needs it is found out in
processes of their own and kept (`jobs`). Nothing is downloaded and no weights are read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tunegrid.cells.check import Planned
from tunegrid.cells.identity import Cell
from tunegrid.config.errors import TunegridError
from tunegrid.config.fingerprint import canonical_json
from tunegrid.config.schema import is_api
from tunegrid.plan import (
    activations,
    architecture,
    calibration,
    devices,
    evaluations,
    examples,
    facts,
    hours,
    memory,
)
from tunegrid.plan import progress as status
from tunegrid.plan.activations import Activations
from tunegrid.plan.architecture import Architecture
from tunegrid.plan.calibration import Measurement, Wanted
from tunegrid.plan.devices import Hardware
from tunegrid.plan.evaluations import Evaluation
from tunegrid.plan.examples import Amount
from tunegrid.plan.figures import Basis, Figure, Range, total
from tunegrid.plan.progress import Status
from tunegrid.plan.rows import Plan, Row, Totals

BEHIND = "it answers behind a server"

Facts = Mapping[str, Mapping[str, Any]]


def plan(items: Sequence[Planned]) -> Plan:
    """Return the plan of a sweep; runs and changes nothing.

    Args:
        items: different cells; not empty.

    Raises:
        ConfigError: `runtime.planned_device` names a device nothing is stated about.
    """
    results = Path(items[0].cell.config.runtime.results)
    known = facts.facts((job for item in items for job in _jobs(item)), results)
    measurements = calibration.read(results)
    first = {item.cell.train_id: place for place, item in reversed(list(enumerate(items)))}
    trained: set[str] = set()
    answered: set[str] = set()
    rows = []
    for item in sorted(items, key=lambda one: first[one.cell.train_id]):
        row = _row(item, known, measurements, answered)
        if item.cell.train_id in trained:
            row = replace(row, shares_training=True, training=None)
        trained.add(item.cell.train_id)
        rows.append(row)
    return Plan(tuple(rows), _totals(rows))


def _jobs(item: Planned) -> list[facts.Job]:
    config = item.cell.config
    if is_api(config.model):
        return evaluations.jobs(config)
    found = [architecture.job(config), *evaluations.jobs(config)]
    kept = activations.job(config, on_cpu=devices.device_of(config.runtime).is_cpu)
    if kept is not None:
        found.append(kept)
    try:
        mixture = examples.job(item.cell)
    except TunegridError:
        # The checks of a cell say so; the plan goes on without its data.
        mixture = None
    return found if mixture is None else [*found, mixture]


def _row(
    item: Planned, known: Facts, measurements: Sequence[Measurement], answered: set[str]
) -> Row:
    cell, config = item.cell, item.cell.config
    behind = is_api(config.model)
    numbers = BEHIND if behind else architecture.read(known[architecture.job(config).name])
    amount, refusal = _amount(cell, known)
    refused = item.refused
    if refused is None and not behind:
        refused = numbers if isinstance(numbers, str) else refusal
    progress = status.progress(cell, refused)
    device = devices.device_of(config.runtime)
    plain = json.loads(canonical_json(asdict(config)))
    left = evaluations.left(cell, known, measurements, state=progress.found)
    left = [] if progress.status is Status.done else left
    left = [one for one in left if one.key not in answered]
    answered |= {one.key for one in left}
    costs = [one.judge_cost for one in left]
    calls = [one.judge_calls for one in left]
    row = Row(
        cell=cell,
        sweeps=item.sweeps,
        missing=item.missing,
        progress=progress,
        shares_training=False,
        numbers=None,
        amount=amount,
        device=device.name,
        memory_bytes=Figure(None),
        memory_is_measured=False,
        whole_training=None,
        training=None,
        answering=None,
        bases=(),
        judge_calls=_sum(calls),
        judge_cost=None if None in costs else sum(cost or 0.0 for cost in costs),
        evaluations=len(left),
    )
    if isinstance(numbers, str):
        return row
    job = activations.job(config, on_cpu=device.is_cpu)
    kept = None if job is None else activations.read(known[job.name])
    given = memory.with_checkpointing_where_needed(
        numbers,
        memory.setting(plain),
        on_cpu=device.is_cpu,
        activations=kept,
        available=device.memory,
    )
    return _estimated(row, numbers, given, kept, device, left, measurements)


def _amount(cell: Cell, known: Facts) -> tuple[Amount, str | None]:
    """Return what a cell trains on, and why its data cannot be used, if they cannot."""
    unknown = Figure(None, Basis.assumed)
    try:
        job = examples.job(cell)
        fact = None if job is None else known[job.name]
        refusal = None if fact is None else fact.get(facts.REFUSED)
        return examples.amount(cell, fact), refusal
    except TunegridError as error:
        return Amount(unknown, unknown, unknown, unknown), str(error)


def _estimated(
    row: Row,
    numbers: Architecture,
    given: memory.Setting,
    kept: Activations | None,
    device: Hardware,
    left: Sequence[Evaluation],
    measurements: Sequence[Measurement],
) -> Row:
    """Return the row with memory and hours."""
    config = row.cell.config
    wanted = Wanted(
        base=config.model.name,
        parameters=numbers.total,
        method=config.peft.name,
        precision=given.precision,
        dtype=given.dtype,
        device=device.name,
        passes=calibration.passes(
            numbers.trainable,
            numbers.total,
            has_checkpointing=bool(given.has_gradient_checkpointing),
        ),
    )

    def peak(setting: memory.Setting) -> float:
        return memory.peak_bytes(numbers, setting, on_cpu=device.is_cpu, activations=kept)

    correction = calibration.peak_correction(measurements, wanted, peak)
    durations: list[hours.Duration] = []
    whole = None
    share = status.share_left(row.cell, row.progress, row.amount.examples.value)
    if numbers.trainable:
        found = hours.training(row.amount.tokens.value, numbers, wanted, device, measurements)
        whole = found.hours
        if share:
            durations.append(found)
    beams = config.eval.decoding.beams
    answers = [
        hours.answering(
            hours.Questions(
                one.benchmark, one.items.value, (one.new_tokens.value or 0) * beams, one.choices
            ),
            numbers, given, wanted, device, measurements,
        )
        for one in left
        if one.items.value
    ]  # fmt: skip
    starting = hours.start(wanted, measurements) if share or left else 0.0
    training = None if whole is None or not share else whole.times(share)
    ranges = [one.hours for one in answers if one.hours is not None]
    if starting:
        ranges.append(Range(starting, starting, starting))
    return replace(
        row,
        numbers=numbers,
        memory_bytes=Figure(peak(given) * (correction or 1.0)),
        memory_is_measured=correction is not None,
        whole_training=whole,
        training=training,
        answering=total(ranges) if ranges else None,
        bases=tuple(dict.fromkeys(one.basis for one in [*durations, *answers])),
    )


def _sum(figures: Sequence[Figure]) -> Figure:
    known = [one.value for one in figures if one.value is not None]
    basis = max((one.basis for one in figures), default=Basis.exact)
    return Figure(sum(known), basis)


def _totals(rows: Sequence[Row]) -> Totals:
    own = [row for row in rows if not row.shares_training]
    tuned = [row for row in own if row.cell.config.peft.function is not None]
    mentions: Counter[str] = Counter()
    for row in rows:
        mentions[row.cell.train_id] += max(1, len(row.sweeps))
    costs = [row.judge_cost for row in rows]
    whole = {row.cell.train_id: row.whole_training for row in own}
    return Totals(
        named=sum(mentions.values()),
        cells=len(rows),
        trainings=len(tuned),
        untuned=len(own) - len(tuned),
        statuses=Counter(row.progress.status for row in rows),
        trainings_left=sum(not row.progress.is_trained for row in tuned),
        evaluations_left=sum(row.evaluations for row in rows),
        training=total(row.training for row in rows if row.training is not None),
        answering=total(row.answering for row in rows if row.answering is not None),
        unknown_hours=sum(hours.UNKNOWN in row.bases or row.numbers is None for row in rows),
        judge_calls=_sum([row.judge_calls for row in rows]),
        judge_cost=None if None in costs else sum(cost or 0.0 for cost in costs),
        saved_hours=sum(
            (mentions[name] - 1) * hours_of.middle
            for name, hours_of in whole.items()
            if hours_of is not None
        ),
    )
