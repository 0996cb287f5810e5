"""What a finished cell prints: its results with counts and standard errors, and its paths.

Owns: the look of tables in a terminal. Knows nothing of how rows are made.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from tunegrid import store
from tunegrid.schema import Stage
from tunegrid.store import RunDirectory
from tunegrid.tables import rows


def print_cell(run: RunDirectory, stage: Stage = Stage.all) -> None:
    """Print the results that the last command asked for, then where everything lies."""
    console = Console(highlight=False)
    if stage is Stage.check:
        console.print(f"{run.path.name} can be run; nothing was started.")
        return
    if run.has(store.TRAINED):
        _print_training(console, run.read(store.TRAINED))
    asked = run.read(store.RESULTS)["scores"] if run.has(store.RESULTS) else []
    summaries = [s for s in rows.score_summaries(run) if s["score_id"] in asked]
    if summaries:
        console.print(results_table(run.path.name, summaries))
        for summary in summaries:
            if summary.get("note"):
                console.print(f"  {summary['benchmark']}: {summary['note']}", style="dim")
    for reason in rows.suspects(run):
        console.print(f"  suspect: {reason}", style="bold yellow")
    console.print(f"cell         {run.path}", soft_wrap=True)
    for part in (store.ADAPTER, store.CURVE, store.PREDICTIONS, store.SCORES):
        if run.has(part):
            console.print(f"  {part:<11}{run.path / part}", soft_wrap=True)


def results_table(title: str, summaries: list[dict[str, Any]]) -> Table:
    """Return a table with one line per measurement; None is a dash."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for heading in ("benchmark", "category", "metric", "judge"):
        table.add_column(heading)
    for heading in ("value", "standard error", "items", "unscored"):
        table.add_column(heading, justify="right")
    for summary in summaries:
        for measurement in summary["measurements"]:
            average = measurement["category"].startswith("average")
            table.add_row(
                summary["benchmark"],
                measurement["category"],
                measurement["metric"],
                summary["judge"],
                _number(measurement["value"]),
                _number(measurement["standard_error"]),
                str(measurement["items"]),
                str(measurement["unscored"]),
                style="bold" if average else None,
            )
        table.add_section()
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
