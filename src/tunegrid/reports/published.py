"""The study's published numbers: published.csv, one number a row.

Owns: reading them. Source: the tables and figures of "An Empirical Study of
Instruction-tuning Large Language Models in Chinese", transcribed. Belle-eval is in per cent with
one decimal, MMCU with two. Figure 1 prints -11.15 as the change of Bloomz-mt on MMCU;
the numbers it stands between, 28.97 and 15.26, differ by -13.71, and those are what is kept.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from pathlib import Path

PLACE = Path(__file__).with_name("published.csv")
MEASURES = {"belle": "belle_eval", "mmcu": "mmcu"}
"""What the file calls a benchmark, by its name here."""


@functools.cache
def tables() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """Return each table's rows: its numbers by `measure.category`, without what is no number."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    with PLACE.open(encoding="utf-8", newline="") as file:
        for one in csv.DictReader(file):
            row = found.setdefault(one["table"], {}).setdefault(one["row"], {})
            try:
                row[f"{one['measure']}.{one['category']}"] = float(one["value"])
            except ValueError:
                continue
    return found


def value(table: str | None, row: str, column: str) -> float | None:
    """Return a published number, None where there is none.

    Args:
        table: as the file names it; None is no table.
        row: as the file names it.
        column: `benchmark.category`, as tables are declared.
    """
    benchmark, _, category = column.partition(".")
    key = f"{MEASURES.get(benchmark, benchmark)}.{category}"
    return tables().get(table or "", {}).get(row, {}).get(key)
