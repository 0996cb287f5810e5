"""A declared table, filled with the rows of finished cells.

Owns: which measurement stands in which cell, its standard error over items and seeds, its interval,
and the marks of the best. Runs nothing and prints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.evaluation import statistics
from tunegrid.reports import published
from tunegrid.reports.declared import FACTS, Declaration

METRICS = ("score", "accuracy")
AVERAGE = "average"
DIGITS = {"belle": 1, "mmcu": 2, "run": 0}
"""Decimals, as the study prints them."""
LABEL = "label"
"""By what the rows of a table that is not declared choose their cells."""
CSV_COLUMNS = (
    "table", "row", "column", "value", "standard_error", "low", "high", "items", "seeds",
    "published", "difference", "mark", "suspect",
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A cell of the sweep, as far as a table needs it."""

    train_id: str
    words: Mapping[str, str]
    """Its choice in each group."""
    kind: str
    """What all its seeds have in common, and no other cell."""
    score_ids: frozenset[str]
    problems: tuple[str, ...] = ()
    """Why the name of a score cannot be told."""


@dataclass(frozen=True)
class Entry:
    """One cell of a table, in per cent; None is what is not there."""

    value: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    items: int | None = None
    seeds: int = 0
    published: float | None = None
    mark: str = ""
    """`best`, `second` or nothing."""
    suspect: str = ""

    @property
    def difference(self) -> float | None:
        """Ours minus the published value."""
        if self.value is None or self.published is None:
            return None
        return self.value - self.published


@dataclass(frozen=True)
class Filled:
    """A declared table with its entries by row and column."""

    declaration: Declaration
    entries: Mapping[str, Mapping[str, Entry]]
    missing: tuple[str, ...] = field(default=())
    """The command for each row that lacks a value, and what else is in the way."""


def filled(
    table: Declaration,
    members: Sequence[Member],
    metrics: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
) -> Filled:
    """Return a table with what is there of its values.

    Args:
        table: as declared.
        members: the cells of its sweep.
        metrics: rows of metrics.csv.
        runs: rows of runs.csv.

    Raises:
        ConfigError: a row that means no cell of the sweep or cells that differ in more than their
            seed, or a column whose numbers were not made the same way.
    """
    chosen = _chosen(table, members)
    by_run = {row["train_id"]: row for row in runs}
    by_score: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in metrics:
        by_score.setdefault((row["train_id"], row["score_id"]), []).append(row)
    entries: dict[str, dict[str, Entry]] = {label: {} for label in table.rows}
    problems: list[str] = []
    for column in table.columns:
        benchmark, _, category = column.partition(".")
        used: dict[str, dict[str, str]] = {fact: {} for fact in FACTS}
        for label, cells in chosen.items():
            theirs = published.value(table.published, label, column)
            if benchmark == "run":
                entries[label][column] = _fact(cells, by_run, category, theirs)
                continue
            found = [
                row
                for cell in cells
                for name in sorted(cell.score_ids)
                for row in by_score.get((cell.train_id, name), ())
                if row["benchmark"] == benchmark
                and _is_meant(row["category"], category)
                and row["metric"] in METRICS
                and row["value"] is not None
            ]
            for row in found:
                for fact in FACTS:
                    used[fact].setdefault(str(row[fact]), label)
            entries[label][column] = _entry(found, theirs)
        problems += [
            f"column {column}: {fact} is "
            + ", ".join(f"{value!r} in row {label!r}" for value, label in values.items())
            + f"; make them alike, or list {fact} under the table's mixed"
            for fact, values in used.items()
            if len(values) > 1 and fact not in table.mixed
        ]
    if problems:
        raise ConfigError(all_problems(f"table {table.name} would mix unlike numbers", problems))
    marked = _marked(table.columns, entries)
    return Filled(table, marked, tuple(_missing(table, chosen, marked)))


def _is_meant(category: str, column: str) -> bool:
    """Return whether a row's category is a column's.

    A benchmark that is scored or present in part has its average under another name
    (`average_scored`), which a table's facts keep apart from whole ones.
    """
    return category == column or (column == AVERAGE and category.startswith(AVERAGE))


def _chosen(table: Declaration, members: Sequence[Member]) -> dict[str, list[Member]]:
    found: dict[str, list[Member]] = {}
    problems = []
    for label, words in table.rows.items():
        if words is None:
            found[label] = []
            continue
        found[label] = [
            one for one in members if all(one.words.get(key) == word for key, word in words.items())
        ]
        said = " ".join(f"{key}={word}" for key, word in words.items())
        if not found[label]:
            problems.append(f"row {label!r} ({said}) means no cell of the sweep")
        elif len({one.kind for one in found[label]}) > 1:
            names = ", ".join(one.train_id for one in found[label])
            problems.append(f"row {label!r} ({said}) means cells that differ: {names}; say more")
    if problems:
        raise ConfigError(
            all_problems(f"table {table.name} of sweeps/{table.sweep}.yaml", problems)
        )
    return found


def _fact(
    cells: Sequence[Member], runs: Mapping[str, Any], name: str, theirs: float | None
) -> Entry:
    values = [
        runs[one.train_id][name]
        for one in cells
        if one.train_id in runs and runs[one.train_id].get(name) is not None
    ]
    mean = sum(values) / len(values) if values else None
    return Entry(value=mean, seeds=len(values), published=theirs)


def _entry(rows: Sequence[Mapping[str, Any]], theirs: float | None) -> Entry:
    """Return the mean over seeds.

    All seeds answer the same items, so that more seeds do not make the items' share of the error
    smaller: it is the root mean square of the seeds' own errors, to which the error of the mean
    over seeds is added in quadrature.
    """
    if not rows:
        return Entry(published=theirs)
    mean = math.fsum(row["value"] for row in rows) / len(rows)
    _, spread = statistics.mean_and_error([row["value"] for row in rows])
    errors = [row["standard_error"] for row in rows]
    error = None
    if None not in errors:
        error = (sum(one**2 for one in errors) / len(errors) + (spread or 0.0) ** 2) ** 0.5
    low, high = _interval(rows, mean, error)
    return Entry(
        value=mean,
        standard_error=error,
        low=low,
        high=high,
        items=rows[0]["items"],
        seeds=len(rows),
        published=theirs,
        suspect="; ".join(dict.fromkeys(row["suspect"] for row in rows if row["suspect"])),
    )


def _interval(
    rows: Sequence[Mapping[str, Any]], mean: float, error: float | None
) -> tuple[float | None, float | None]:
    """Return 95 %: Wilson for the share of right answers of one cell, else 1.96 errors."""
    first = rows[0]
    is_share = first["metric"] == "accuracy" and not first["category"].startswith("average")
    if len(rows) == 1 and is_share and first["items"]:
        right = round(mean * first["items"] / 100)
        low, high = statistics.wilson_interval(right, first["items"])
        return 100 * low, 100 * high
    if error is None:
        return None, None
    return max(0.0, mean - 1.96 * error), min(100.0, mean + 1.96 * error)


def shown(value: float, column: str, signed: bool = False) -> str:
    """Return a number as the study prints it: halves are rounded up."""
    digits = DIGITS.get(column.partition(".")[0], 2)
    # The mean of four decimal numbers is no float: 9.625 must not become 9.62.
    exact = Decimal(repr(round(value, 9))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{exact:+,f}" if signed else f"{exact:,f}"


def _marked(
    columns: Sequence[str], entries: Mapping[str, Mapping[str, Entry]]
) -> dict[str, dict[str, Entry]]:
    """Mark the best and the second of each column, as printed: equal numbers share a mark."""
    found = {label: dict(row) for label, row in entries.items()}
    for column in columns:
        if column.startswith("run."):
            continue
        printed = {
            label: float(shown(value, column).replace(",", ""))
            for label, row in entries.items()
            if (value := row[column].value) is not None
        }
        order = sorted(set(printed.values()), reverse=True)
        # A lone number is not the best of anything.
        names = dict(zip(order, ("best", "second"), strict=False)) if len(printed) > 1 else {}
        for label, value in printed.items():
            found[label][column] = replace(found[label][column], mark=names.get(value, ""))
    return found


def _missing(
    table: Declaration,
    chosen: Mapping[str, Sequence[Member]],
    entries: Mapping[str, Mapping[str, Entry]],
) -> list[str]:
    found, unread = [], dict[str, None]()
    for label, words in table.rows.items():
        lacking = [name for name in table.columns if entries[label][name].value is None]
        if not lacking:
            continue
        if words is None:
            found.append(f"{label}: no cell makes this row")
            continue
        said = "".join(f" {key}={word}" for key, word in words.items() if key != LABEL)
        what = "all" if len(lacking) == len(table.columns) else ", ".join(lacking)
        found.append(f"{label} ({what}): python run.py -cd sweeps -cn {table.sweep}{said}")
        unread |= dict.fromkeys(problem for one in chosen[label] for problem in one.problems)
    return [*found, *unread]


def csv_rows(table: Filled) -> list[dict[str, Any]]:
    """Return one row an entry with `CSV_COLUMNS`."""
    return [
        {
            "table": table.declaration.name, "row": label, "column": column, "value": one.value,
            "standard_error": one.standard_error, "low": one.low, "high": one.high,
            "items": one.items, "seeds": one.seeds or None, "published": one.published,
            "difference": one.difference, "mark": one.mark, "suspect": one.suspect,
        }
        for label, row in table.entries.items()
        for column, one in row.items()
    ]  # fmt: skip


def default(sweep: str, members: Sequence[Member]) -> tuple[Declaration, list[Member]]:
    """Return a table for a sweep that declares none, and its cells, each known by its label.

    Its rows are what varies, its columns the averages of the benchmarks.
    """
    groups = {key: None for one in members for key in one.words}
    varied = [key for key in groups if len({one.words[key] for one in members}) > 1]
    labels: dict[str, str] = {}
    for one in members:
        label = ", ".join(one.words[key] for key in varied) or one.words["model"]
        if label in labels.values() and one.kind not in labels:
            label = f"{label} {one.train_id.rpartition('-')[2][:4]}"
        labels.setdefault(one.kind, label)
    named = [replace(one, words={**one.words, LABEL: labels[one.kind]}) for one in members]
    benchmarks = dict.fromkeys(
        name.partition("-")[0] for one in members for name in sorted(one.score_ids)
    )
    rows = {
        # The label chooses; the words are for whoever reads the command.
        labels[one.kind]: {LABEL: labels[one.kind]} | {key: one.words[key] for key in varied}
        for one in members
    }
    columns = tuple(f"{name}.average" for name in benchmarks)
    return Declaration(sweep, sweep, sweep, rows, columns, mixed=FACTS), named
