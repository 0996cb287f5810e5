"""Training curves: the records of train.jsonl as rows, and as one figure (the study's Figure 2).

Owns: what a curve is and how it looks. matplotlib is imported when a figure is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tunegrid.cells.labels import labelled
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

COLUMNS = ("train_id", "label", "method", "step", "loss", "smoothed_loss", "learning_rate")
SMOOTHING = 0.9
"""Share of the running mean that a step keeps; the figure's faint lines are unsmoothed."""
_STYLES = ("-", "--", ":", "-.")


def rows(runs: Iterable[RunDirectory], order: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return one row per recorded step of every trained run.

    A curve is labelled by its method, and by whatever else tells the runs apart.

    Args:
        runs: those without a train.jsonl are left out.
        order: methods that come first, in this order; the others follow by name.

    """
    trained = [run for run in runs if run.has(run_files.CURVE)]
    configs = {run.path.name: run.read(run_files.CELL)["config"] for run in trained}
    labels = labelled(configs)
    position = {name: number for number, name in enumerate(order)}

    def key(run: RunDirectory) -> tuple[int, str]:
        method = configs[run.path.name]["peft"]["name"]
        return (position.get(method, len(position)), labels[run.path.name])

    return [row for run in sorted(trained, key=key) for row in _rows(run, configs, labels)]


def _rows(
    run: RunDirectory, configs: dict[str, Any], labels: dict[str, str]
) -> Iterable[dict[str, Any]]:
    name = run.path.name
    smoothed: float | None = None
    for record in run.read_lines(run_files.CURVE):
        if "loss" not in record:
            continue
        loss = record["loss"]
        smoothed = loss if smoothed is None else SMOOTHING * smoothed + (1 - SMOOTHING) * loss
        yield {
            "train_id": name,
            "label": labels[name],
            "method": configs[name]["peft"]["name"],
            "step": record["step"],
            "loss": loss,
            "smoothed_loss": smoothed,
            "learning_rate": record["learning_rate"],
        }


def draw(records: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Write the curves as one figure: the form follows the ending of `path`, such as png or pdf.

    Args:
        records: what `rows` returned, at least one.
        path: is overwritten.
        title: above the figure.

    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curves: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        curves.setdefault(record["label"], []).append(record)
    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    colours = [f"C{number}" for number in range(10)]
    for number, (label, curve) in enumerate(curves.items()):
        steps = [record["step"] for record in curve]
        colour = colours[number % len(colours)]
        axes.plot(steps, [r["loss"] for r in curve], color=colour, alpha=0.15, linewidth=0.8)
        axes.plot(
            steps,
            [record["smoothed_loss"] for record in curve],
            color=colour,
            linestyle=_STYLES[number // len(colours) % len(_STYLES)],
            linewidth=1.6,
            label=f"{label} ({curve[-1]['smoothed_loss']:.2f})",
        )
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("training loss (nats per trained token)")
    axes.set_title(title, loc="left")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    # Beside the curves, in their order at the end; the number is the last smoothed loss.
    handles, names = axes.get_legend_handles_labels()
    last = [curve[-1]["smoothed_loss"] for curve in curves.values()]
    best_last = sorted(range(len(last)), key=lambda place: -last[place])
    axes.legend(
        [handles[place] for place in best_last],
        [names[place] for place in best_last],
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=9,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".unfinished{path.suffix}")
    figure.savefig(temporary, dpi=120)
    pyplot.close(figure)
    temporary.replace(path)
