"""The table fits its screen, and a watch prints what changed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from doubles.fabricated_runs import BELLE, Run
from tunegrid.cli import main
from tunegrid.launch.status import table
from tunegrid.launch.status.sweep import SweepWatch


def status(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main.main(["status", *words])
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_shows_errors_as_they_are(busy: Path, width: int) -> None:
    console = Console(width=width, file=None, record=True, highlight=False)
    with console.capture() as captured:
        console.print(table.drawn(SweepWatch(busy, "seeds").look()))
    text = captured.get()
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    assert re.search(r"lora, seed 1 +training +10/40 +2\.900 +900 +60s", text)
    assert "failed in train" in text
    assert "[bold]OutOfMemory[/bold]" in text


def test_a_small_screen_shows_what_moves_and_counts_the_rest(busy: Path) -> None:
    console = Console(width=80, height=9, highlight=False)
    with console.capture() as captured:
        console.print(table.drawn(SweepWatch(busy, "seeds").look(), height=9))
    lines = captured.get().splitlines()
    assert len(lines) <= 9
    assert "seed 1" in lines[2]
    assert any("more: 1 done" in line for line in lines)


def test_without_a_terminal_only_changes_are_printed(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look finds nothing new, the third that all is done; then it ends by itself."""
    runs = results / "runs"
    looks = iter([lambda: None, lambda: finish(results)])

    def finish(results: Path) -> None:
        for name in ("cell-1", "cell-2", "cell-3", "cell-4"):
            shutil.rmtree(runs / name, ignore_errors=True)
            Run(results, name).trained().scored(BELLE)

    monkeypatch.setattr(table.time, "sleep", lambda seconds: next(looks)())
    code, out, _ = status(capsys, "seeds", "--watch", "--results", str(results))
    assert code == 0
    assert out.count("seed 0") == 1
    assert re.search(r"\d\d:\d\d:\d\d  lora, seed 3  done  40", out)
    assert out.splitlines()[-1] == "5 cells: 5 done"


def test_ctrl_c_leaves_a_watch_with_0(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(table.time, "sleep", interrupt)
    assert table.watch(SweepWatch(busy, "seeds"), 2.0, as_json=True) == 0


def test_times_are_short() -> None:
    shown = [table.duration(s) for s in (None, 4.4, 600, 3 * 3600 + 300, 52 * 3600)]
    assert shown == ["–", "4s", "10m", "3h05", "2d04h"]
