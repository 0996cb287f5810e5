"""What a finished cell prints: its results with counts and standard errors, and its paths.

Owns: the look of tables in a terminal. Knows nothing of how rows are made.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tunegrid.config.choices import Stage
from tunegrid.reports import rows, side_by_side
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

FILE_WIDTH = 120
"""Characters of a line where there is no terminal to ask."""

UNTABLED = ("unparsed", "right", "accuracy_of_subjects")
"""Left to metrics.csv, where each has a row: a table holds one unit."""
READINGS = ("accuracy_strict", "accuracy_meant", "rules_disagree")
"""Of other rules than the benchmark's own: their averages alone are shown."""


def _console() -> Console:
    """Return where tables go: the terminal, or a file that is read on a wide one."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_WIDTH
    return console


def print_cell(
    run: RunDirectory, stage: Stage = Stage.all, asked: Sequence[str] | None = None
) -> None:
    """Print results, then where everything lies.

    Args:
        run: of a finished cell.
        stage: how far it was asked to go.
        asked: names of the scores to show; by default those the last command asked for.

    """
    console = _console()
    if stage is Stage.check:
        console.print(f"{run.path.name} can be run; nothing was started.")
        return
    if stage is Stage.probe:
        # The probe has said what it measured; the run directory has nothing of it.
        return
    if run.has(run_files.TRAINED):
        _print_training(console, run.read(run_files.TRAINED))
    if asked is None:
        asked = run.read(run_files.RESULTS)["scores"] if run.has(run_files.RESULTS) else []
    for summary in rows.score_summaries(run):
        if summary["score_id"] in asked:
            console.print(results_table(summary))
            if summary["note"]:
                console.print(f"  {summary['note']}", style="dim")
    for reason in rows.suspects(run):
        console.print(f"  suspect: {reason}", style="bold yellow")
    console.print(f"\n{run.path}", soft_wrap=True)
    parts = (run_files.ADAPTER, run_files.CURVE, run_files.PREDICTIONS, run_files.SCORES)
    console.print(f"  holds {', '.join(part for part in parts if run.has(part))}")


def print_runs(run_rows: list[dict[str, Any]], expected: int) -> None:
    """Print one line a run with how it ended, and how many there should be."""
    console = _console()
    table = Table(header_style="bold")
    for column in ("cell", "status"):
        table.add_column(column, overflow="fold")
    for column in ("steps", "loss", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("remark", overflow="fold")
    for row in run_rows:
        table.add_row(
            row["train_id"],
            row["status"],
            "–" if row["steps"] is None else str(row["steps"]),
            _number(row["final_loss"]),
            _number(row["seconds"]),
            row["error"] or (f"suspect: {row['suspect']}" if row["suspect"] else ""),
        )
    console.print(table)
    counts = Counter(row["status"] for row in run_rows)
    counts["not started"] = expected - len(run_rows)
    parts = [f"{number} {status}" for status, number in counts.items() if number]
    console.print(f"{expected} runs: {', '.join(parts)}")


def print_comparison(
    runs: Iterable[RunDirectory], asked: side_by_side.ScoresByWay | None = None
) -> None:
    """Print cells side by side: parameters, loss, and each benchmark's average with its error.

    Args:
        runs: in the order of the rows.
        asked: which scores count; see `comparison.rows`.

    """
    benchmarks, found = side_by_side.rows(runs, asked)
    if len(found) < 2:
        return
    table = Table(title="Comparison", title_justify="left", header_style="bold", title_style="bold")
    table.add_column("cell", overflow="fold")
    for column in ("trained", "loss", *benchmarks):
        table.add_column(column, justify="right")
    for row in found:
        averages = [row.get(name) for name in benchmarks]
        table.add_row(
            row["cell"] + (" *" if row["suspect"] else ""),
            f"{row['trainable_parameters']:,}",
            _number(row["loss"]),
            *(_with_error(pair) for pair in averages),
        )
    console = _console()
    console.print(table)
    console.print(
        "  Averages with standard errors; loss of the last tenth of the steps."
        + (" * suspect" if any(row["suspect"] for row in found) else ""),
        style="dim",
    )


def _with_error(pair: tuple[float | None, float | None] | None) -> str:
    if pair is None or pair[0] is None:
        return "–"
    return f"{pair[0]:.1f}" + ("" if pair[1] is None else f" ± {pair[1]:.1f}")


def results_table(summary: dict[str, Any]) -> Table:
    """Return one benchmark's table: a line a category, averages in bold, None as a dash.

    Finer groups than categories (`education/化学`) are left to metrics.csv.
    """
    scorer = "its own rule" if summary["judge"] == "rule" else f"the judge {summary['judge']}"
    protocol = summary.get("protocol", "generation")
    title = f"{summary['benchmark']} (version {summary['version']}), {protocol}, scored by {scorer}"
    table = Table(title=title, title_justify="left", header_style="bold", title_style="bold")
    table.add_column("category")
    table.add_column("metric")
    for heading in ("value", "standard error", "items", "unscored"):
        table.add_column(heading, justify="right")
    for measurement in summary["measurements"]:
        is_average = measurement["category"].startswith("average")
        if "/" in measurement["category"] or measurement["metric"] in UNTABLED:
            continue
        if measurement["metric"] in READINGS and not is_average:
            continue
        table.add_row(
            measurement["category"],
            measurement["metric"],
            _number(measurement["value"]),
            _number(measurement["standard_error"]),
            str(measurement["items"]),
            str(measurement["unscored"]),
            style="bold" if is_average else None,
        )
    return table


def _print_training(console: Console, report: dict[str, Any]) -> None:
    if not report.get("steps"):
        return
    console.print(
        f"\ntrained {report['trainable_parameters']:,} of {report['total_parameters']:,} "
        f"parameters for {report['steps']} steps on {report['examples']:,} examples: "
        f"loss {report['first_tenth_loss']:.3f} to {report['last_tenth_loss']:.3f}, "
        f"{report['tokens_per_second']:,.0f} tokens/s, {report['seconds']:.0f} s"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
