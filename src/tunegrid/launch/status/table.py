"""The table of a sweep's cells in a terminal, once or live.

Owns: columns, order and what is cropped. Knows nothing of run directories.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tunegrid.launch.status import states
from tunegrid.launch.status.states import State
from tunegrid.launch.status.sweep import Snapshot, SweepWatch, rows

STYLES = {
    states.DONE: "green", states.SUSPECT: "yellow", states.FAILED: "bold red",
    states.UNREADABLE: "bold red", states.INCOMPLETE: "yellow", states.INTERRUPTED: "yellow",
    states.WAITING: "dim",
}  # fmt: skip
# What changes stands on top, what needs somebody next; a crop takes from the end.
ORDER = (*states.RUNNING, states.FAILED, states.UNREADABLE, states.INCOMPLETE, states.INTERRUPTED,
         states.SUSPECT, states.WAITING, states.DONE)  # fmt: skip
COUNTED = ("done", "suspect", "running", "waiting", "interrupted", "incomplete", "failed",
           "unreadable")  # fmt: skip
REMARKS = 8


def show(snapshot: Snapshot) -> None:
    """Print a snapshot with all its cells."""
    Console(highlight=False).print(drawn(snapshot))


def watch(sweep: SweepWatch, every_seconds: float, *, as_json: bool) -> int:
    """Show a sweep until all its cells are done or failed; return the exit code.

    In a terminal the table is drawn anew every `every_seconds`; elsewhere, and as JSON, what
    changed is printed. Ctrl-C ends with 0.
    """
    console = Console(highlight=False, stderr=False)
    try:
        if console.is_terminal and not as_json:
            return _live(sweep, every_seconds, console)
        return _changes(sweep, every_seconds, console, as_json=as_json)
    except KeyboardInterrupt:
        return 0


def _live(sweep: SweepWatch, every_seconds: float, console: Console) -> int:
    snapshot = sweep.look()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(drawn(snapshot, console.height), refresh=True)
            if snapshot.is_over:
                break
            time.sleep(every_seconds)
            snapshot = sweep.look()
        # What stays on the screen is the whole table.
        live.update(Text(""), refresh=True)
    console.print(drawn(snapshot))
    return int(snapshot.has_failed)


def _changes(sweep: SweepWatch, every_seconds: float, console: Console, *, as_json: bool) -> int:
    before: dict[tuple[str, str], tuple[str, str | None]] | None = None
    while True:
        snapshot = sweep.look()
        now = {(c.train_id, c.label): (c.state, c.stage) for c in snapshot.cells}
        if now != before:
            if as_json:
                print(json.dumps(rows(snapshot), ensure_ascii=False), flush=True)
            elif before is None:
                console.print(drawn(snapshot))
            else:
                for cell in snapshot.cells:
                    key = (cell.train_id, cell.label)
                    if now[key] != before.get(key):
                        print(line(cell), flush=True)
                print(footer(snapshot), flush=True)
            before = now
        if snapshot.is_over:
            if snapshot.note:
                print(snapshot.note, file=sys.stderr)
            return int(snapshot.has_failed)
        time.sleep(every_seconds)


def drawn(snapshot: Snapshot, height: int | None = None) -> RenderableType:
    """Return the table with remarks and a footer.

    Args:
        snapshot: what to show.
        height: lines of the screen; cells that do not fit are counted, None shows all.
    """
    cells = list(snapshot.cells)
    remarks = [c for c in cells if c.remark]
    if height is not None:
        cells.sort(key=lambda cell: ORDER.index(cell.state))
        remarks = remarks[: max(1, min(REMARKS, height // 4))]
        # Title, heading, rule, the line of what is hidden, footer, note.
        room = max(1, height - len(remarks) - 6 - (1 if snapshot.note else 0))
        shown, hidden = cells[:room], cells[room:]
    else:
        shown, hidden = cells, []
    parts: list[RenderableType] = [
        Text(snapshot.name, style="bold", no_wrap=True, overflow="ellipsis"), _table(shown)
    ]  # fmt: skip
    if hidden:
        parts.append(Text(f"  and {len(hidden)} more: {counted(hidden)}", style="dim"))
    for cell in remarks:
        text = Text(f"{cell.state}: {cell.label}: {cell.remark}", style=STYLES.get(cell.state, ""))
        if height is not None:
            text.no_wrap, text.overflow = True, "ellipsis"
        parts.append(text)
    parts.append(Text(footer(snapshot), style="bold"))
    if snapshot.note:
        parts.append(Text(snapshot.note, style="yellow"))
    return Group(*parts)


def _table(cells: Sequence[State]) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("cell", overflow="ellipsis", no_wrap=True, ratio=1, min_width=12)
    table.add_column("state", overflow="ellipsis", no_wrap=True, min_width=10)
    for column in ("progress", "loss", "tokens/s", "left"):
        table.add_column(column, justify="right", no_wrap=True)
    hosts = any(cell.host for cell in cells)
    if hosts:
        table.add_column("host", overflow="ellipsis", no_wrap=True, max_width=16)
    for cell in cells:
        row = [
            escape(cell.label),
            f"[{STYLES.get(cell.state, 'cyan')}]{escape(words(cell))}[/]",
            _of(cell),
            "–" if cell.loss is None else f"{cell.loss:.3f}",
            "–" if cell.tokens_per_second is None else f"{cell.tokens_per_second:,.0f}",
            duration(cell.seconds_left),
        ]
        table.add_row(*row, *([escape(cell.host or "")] if hosts else []))
    return table


def words(cell: State) -> str:
    """Return a cell's state with its stage: `predicting mmcu`, `failed in train`."""
    if cell.stage is None or cell.stage == "unknown":
        return cell.state
    return (
        f"{cell.state} in {cell.stage}"
        if cell.state == states.FAILED
        else (f"{cell.state} {cell.stage}")
    )


def _of(cell: State) -> str:
    if cell.step is None and cell.steps is None:
        return "–"
    done = 0 if cell.step is None else cell.step
    return str(done) if cell.steps in (None, done) else f"{done}/{cell.steps}"


def line(cell: State) -> str:
    """Return a cell's change as one line."""
    step = _of(cell)
    parts = [cell.label, words(cell), *([step] if step != "–" else [])]
    parts += [cell.remark] if cell.remark else []
    return f"{time.strftime('%H:%M:%S')}  " + "  ".join(parts)


def counted(cells: Sequence[State]) -> str:
    """Return how many cells are in which state, as words."""
    found = ["running" if c.state in states.RUNNING else c.state for c in cells]
    return ", ".join(f"{found.count(word)} {word}" for word in COUNTED if word in found)


def footer(snapshot: Snapshot) -> str:
    """Return the counts and, where it can be estimated, the time the sweep has left."""
    text = f"{len(snapshot.cells)} cells: {counted(snapshot.cells)}"
    if snapshot.seconds_left is not None:
        text += f"; about {duration(snapshot.seconds_left)} left"
    return text


def duration(seconds: float | None) -> str:
    """Return a time as `40s`, `12m`, `3h05` or `2d04h`; None is a dash."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}" if hours < 48 else f"{hours // 24}d{hours % 24:02d}h"
