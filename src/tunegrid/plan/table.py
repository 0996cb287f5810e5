"""The plan as a table in a terminal.

Owns: columns, marks and footers. Knows nothing of how figures are made.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from tunegrid.plan.figures import Basis, Figure, Range
from tunegrid.plan.hours import FIRST
from tunegrid.plan.progress import Status
from tunegrid.plan.records import rows, words_of
from tunegrid.plan.rows import Plan, Row, Totals

WIDTH = 120
NAMES = ("base", "method", "quantization", "data", "prompt", "train", "seed", "eval")
NUMBERS = ("trainable", "examples", "tokens", "steps", "memory", "hours", "judge")
GIB = 2**30


def print_plan(plan: Plan, file: TextIO | None = None) -> None:
    """Print the table, why cells are refused or failed, the totals and what the marks mean.

    Args:
        plan: the plan.
        file: standard output by default; not a terminal, it is printed 120 columns wide.
    """
    out = sys.stdout if file is None else file
    console = Console(file=out, highlight=False, markup=False, width=_width(out))
    common = _common(plan)
    console.print(common.line(plan.rows), style="bold")
    console.print(_table(plan, common))
    _print_reasons(console, plan)
    _print_totals(console, plan.totals, plan.rows)
    _print_footer(console, plan)


def _width(out: TextIO) -> int | None:
    return None if out.isatty() else WIDTH


@dataclass(frozen=True)
class _Common:
    """What rows share, so that a row says only what is its own."""

    everywhere: dict[str, Any]
    """Choices that all rows have."""
    usual: dict[str, Any]
    """Choices that most rows have; the others name theirs."""

    def otherwise(self, words: Mapping[str, Any]) -> str:
        """Return the choices of a row that are not the usual ones."""
        own = [
            str(words[name])
            for name, usual in self.usual.items()
            if words[name] not in (None, usual)
        ]
        return ", ".join(own)

    def line(self, found: Sequence[Row]) -> str:
        """Return what stands above the table."""
        devices = sorted({row.device for row in found})
        bases = {row.bases for row in found}
        parts = [f"{name} {value}" for name, value in self.everywhere.items()]
        parts.append(f"planned for {' and '.join(devices)}")
        if len(bases) == 1 and found[0].bases:
            parts.append(f"hours by {', '.join(found[0].bases)}")
        text = ", ".join(parts)
        if not self.usual:
            return text
        usual = ", ".join(f"{name} {value}" for name, value in self.usual.items())
        return f"{text}\nunless a row says otherwise: {usual}"


def _common(plan: Plan) -> _Common:
    words = [words_of(row) for row in plan.rows]
    everywhere, usual = {}, {}
    for name in NAMES[2:]:
        values = Counter(one[name] for one in words if one[name] is not None)
        if len(values) == 1:
            everywhere[name] = next(iter(values))
        elif values:
            usual[name] = values.most_common(1)[0][0]
    return _Common(everywhere, usual)


def _table(plan: Plan, common: _Common) -> Table:
    unit, scale = _unit(plan.rows)
    headings = {
        "trainable": "trainable\nparameters",
        "tokens": "trained\ntokens",
        "memory": "peak\nGiB",
        "hours": unit,
        "judge": "judge\ncalls",
    }
    shown = [name for name in NUMBERS if name != "judge" or plan.totals.judge_calls.value]
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    names = ["status", "base", "method", *(["otherwise"] if common.usual else [])]
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name == "status")
    for name in shown:
        table.add_column(headings.get(name, name), justify="right", no_wrap=True)
    bases = {", ".join(row.bases) for row in plan.rows}
    if len(bases) > 1:
        table.add_column("basis", overflow="fold")
    for row in plan.rows:
        words, cells = words_of(row), _numbers(row, scale)
        own = [row.progress.status.value, words["base"], words["method"]]
        table.add_row(
            *own,
            *([common.otherwise(words)] if common.usual else []),
            *(cells[name] for name in shown),
            *([", ".join(row.bases)] if len(bases) > 1 else []),
            style="dim" if row.progress.status in (Status.done, Status.refused) else None,
        )
    return table


def _unit(found: Sequence[Row]) -> tuple[str, float]:
    """Return the unit of the column of hours: minutes where no cell takes two hours."""
    longest = max((row.hours.middle for row in found if row.hours is not None), default=0.0)
    return ("hours", 1.0) if longest >= 2 else ("minutes", 60.0)


def _numbers(row: Row, scale: float) -> dict[str, str]:
    amount, numbers = row.amount, row.numbers
    tuned = row.cell.config.peft.function is not None
    same = "same" if row.shares_training else None
    return {
        "trainable": same or ("–" if numbers is None else f"{numbers.trainable:,}"),
        "examples": same or (_figure(amount.examples) if tuned else "–"),
        "tokens": same or (_figure(amount.trained_tokens) if tuned else "–"),
        "steps": same or (_figure(amount.steps) if tuned else "–"),
        "memory": _memory(row),
        "hours": _hours(row, scale),
        "judge": _figure(row.judge_calls) if row.judge_calls.value else "–",
    }


def _figure(figure: Figure) -> str:
    """Return a number with its mark; millions of more than 10 million are rounded."""
    if figure.value is None:
        return "?"
    short = figure.value >= 1e7
    text = f"{figure.value / 1e6:,.1f} M" if short else f"{round(figure.value):,}"
    return f"{figure.basis.mark}{text}"


def _memory(row: Row) -> str:
    if row.memory_bytes.value is None:
        return "–"
    gib = row.memory_bytes.value / GIB
    mark = "" if row.memory_is_measured else "~"
    return f"{mark}{gib:,.1f}" if gib < 100 else f"{mark}{gib:,.0f}"


def _hours(row: Row, scale: float) -> str:
    if row.progress.status is Status.done or (row.hours is None and not row.bases):
        return "–"
    return "?" if row.hours is None else band(row.hours.times(scale))


def band(hours: Range) -> str:
    """Return a range as its middle with both ends behind it."""
    return f"{_short(hours.middle)} ({_short(hours.low)}–{_short(hours.high)})"


def _short(value: float) -> str:
    if value >= 10 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _print_reasons(console: Console, plan: Plan) -> None:
    """Print why cells are refused, failed or cannot be read, cells of one reason together."""
    for status in (Status.failed, Status.unreadable, Status.refused):
        reasons: dict[str, list[str]] = {}
        for row in plan.rows:
            if row.progress.status is status:
                reasons.setdefault(row.progress.reason, []).append(row.cell.train_id)
        for reason, cells in reasons.items():
            shown = ", ".join(cells[:3]) + (f" and {len(cells) - 3} more" if cells[3:] else "")
            console.print(f"\n{status.value}: {shown}\n  {reason}", style="yellow")
    absent = _absent(plan.rows)
    if absent:
        console.print(f"\nnot on this machine, so stated sizes are used: {absent}")


def _absent(found: Sequence[Row]) -> str:
    """Return the inputs that are not here, by kind.

    A row names each with its setting first, as in `data.collections.belle.files: nothing lies ...`.
    """
    kinds: dict[str, dict[str, None]] = {}
    for row in found:
        for line in row.missing:
            parts = line.partition(":")[0].split(".")
            kind, name = {
                "model": ("bases", row.cell.config.model.name),
                "data": ("collections", parts[2] if len(parts) > 3 else line),
                "eval": ("benchmarks", parts[-2] if len(parts) > 2 else line),
            }.get(parts[0], ("inputs", line))
            kinds.setdefault(kind, {})[name] = None
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items())


def _print_totals(console: Console, one: Totals, found: Sequence[Row]) -> None:
    counts = ", ".join(
        f"{one.statuses[status]} {status.value}" for status in Status if one.statuses.get(status)
    )
    unit, scale = ("hours", 1.0) if one.training.high + one.answering.high >= 2 else ("minutes", 60)
    saved = f", about {_short(one.saved_hours * scale)} {unit} of training" if one.saved else ""
    untuned = f" and {_count(one.untuned, 'base')} untuned" if one.untuned else ""
    console.print(
        f"\n{_count(one.named, 'cell')} named, {_count(one.trainings, 'training')}{untuned} after "
        "deduplication "
        f"({one.saved:,} saved{saved})"
    )
    console.print(f"{_count(one.cells, 'cell')}: {counts}")
    console.print(
        f"left: {_count(one.trainings_left, 'training')}, {band(one.training.times(scale))} {unit} "
        f"of one device; {_count(one.evaluations_left, 'benchmark')} to answer or score, "
        f"{band(one.answering.times(scale))} {unit}"
    )
    if one.unknown_hours:
        console.print(
            f"{_count(one.unknown_hours, 'cell')} whose hours nothing says anything about"
        )
    if one.judge_calls.value:
        price = "price not stated"
        if one.judge_cost is not None:
            price = f"about {one.judge_cost:,.2f} in the money of the stated prices"
        console.print(f"judge: {_figure(one.judge_calls)} calls, {price}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _print_footer(console: Console, plan: Plan) -> None:
    """Print what marks and words of the table mean, those that occur."""
    marks = {mark for row in rows(plan) for mark in row["marks"].values()}
    notes = ["trainable parameters are counted on the architecture itself"]
    if Basis.stated.mark in marks:
        notes.append("~ stated sizes or a sample")
    if Basis.assumed.mark in marks:
        notes.append("? a default of this program, nothing at hand says it")
    if any(not row.memory_is_measured for row in plan.rows):
        notes.append("~ peak GiB by a formula")
    if any(FIRST in row.bases for row in plan.rows):
        notes.append(
            "theory: the device's stated peak x an assumed share, a factor of 3 either way; "
            "stage=probe measures"
        )
    if any(row.shares_training for row in plan.rows):
        notes.append("same: the training of a row above")
    console.print("\n" + "; ".join(notes) + ".", style="dim")
