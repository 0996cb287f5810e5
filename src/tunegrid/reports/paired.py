"""Two cells side by side: what differs in their settings, and their scores paired on items.

Owns: the comparison of two runs. Knows nothing of how it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunegrid.evaluation.statistics import paired_difference
from tunegrid.reports.rows import score_summaries
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

SETTING_COLUMNS = ("setting", "first", "second")
NAMED = ("model", "peft", "quantization", "data", "prompt", "train")
SCORE_COLUMNS = (
    "benchmark", "protocol", "category", "judge", "first", "second", "difference",
    "standard_error", "items",
)  # fmt: skip


def setting_rows(first: RunDirectory, second: RunDirectory) -> list[dict[str, Any]]:
    """Return one row per setting that changes weights, or names one, in which two cells differ."""
    left, right = (_settings(run.read(run_files.CELL)) for run in (first, second))
    return [
        {"setting": key, "first": left.get(key), "second": right.get(key)}
        for key in sorted(left.keys() | right.keys())
        if left.get(key) != right.get(key)
    ]


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a cell's weights depend on, and the names of its base, method and data."""
    names = {
        f"{group}.name": settings["name"]
        for group, settings in record.get("config", {}).items()
        if group in NAMED and isinstance(settings, Mapping) and "name" in settings
    }
    return dict(_flat(record["identity"])) | names


def score_rows(first: RunDirectory, second: RunDirectory) -> list[dict[str, Any]]:
    """Return the paired difference (second minus first) per benchmark and category.

    Scorings whose decoding or judge differ are not compared. The mean is taken over the items that
    both cells have a score for, each item counting once, in per cent; its standard error is that
    of the mean of the items' differences.
    """
    right = score_summaries(second)
    rows = []
    for summary in score_summaries(first):
        others = [other for other in right if _are_comparable(summary, other)]
        # Several scorings made elsewhere may fit: which one is meant cannot be known.
        if len(others) != 1:
            continue
        other = others[0]
        left_scores = _scores(first, summary)
        right_scores = _scores(second, other)
        for category in ["all items", *dict.fromkeys(c for c, _ in left_scores.values())]:
            rows.append(_row(summary, category, left_scores, right_scores))
    return rows


def _row(
    summary: Mapping[str, Any],
    category: str,
    left: Mapping[str, tuple[str, float]],
    right: Mapping[str, tuple[str, float]],
) -> dict[str, Any]:
    def chosen(scores: Mapping[str, tuple[str, float]]) -> dict[str, float]:
        return {
            item: value
            for item, (own, value) in scores.items()
            if item in left and item in right and category in ("all items", own)
        }

    first, second = chosen(left), chosen(right)
    difference, error, items = paired_difference(second, first)
    return {
        "benchmark": summary["benchmark"],
        "protocol": summary.get("protocol", "generation"),
        "category": category,
        "judge": summary["judge"],
        "first": 100 * sum(first.values()) / len(first) if first else None,
        "second": 100 * sum(second.values()) / len(second) if second else None,
        "difference": None if difference is None else 100 * difference,
        "standard_error": None if error is None else 100 * error,
        "items": items,
    }


def _scores(run: RunDirectory, summary: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """Return category and value of every scored item."""
    records = run.read_lines(f"{run_files.SCORES}/{summary['score_id']}.jsonl")
    return {
        record["identifier"]: (record["category"], record["value"])
        for record in records
        if record["value"] is not None
    }


def _are_comparable(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether two scorings rate answers to the same items, made and judged the same way.

    How answers from elsewhere were decoded is not known; they are compared with any.
    """
    same = all(first.get(k) == second.get(k) for k in ("benchmark", "version", "judge", "protocol"))
    settings = {first.get("settings", ""), second.get("settings", "")}
    return same and (len(settings) == 1 or "" in settings)


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value
