"""How long a slot stands idle between two cells: with the next process started ahead, and without.

    python benchmarks/process_start.py [--cells 4] [--seconds 6]

Processes are started anew, as beside a GPU's driver. A cell here imports what every cell imports
and then works for some seconds; the gap is the time from the end of one cell's work to the first
line of the next one's. Prints both means in seconds and their ratio.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from tunegrid.cells.identity import Cell
from tunegrid.cells.libraries import quieten_imports
from tunegrid.config.schema import CellConfig, DataConfig, ModelConfig, PeftConfig, RuntimeConfig
from tunegrid.launch import child, preload, runner
from tunegrid.launch.stop import StopRequest
from tunegrid.models.bases import gpus
from tunegrid.store import run_directory, run_files
from tunegrid.store.run_directory import RunDirectory

SECONDS = "PROCESS_START_SECONDS"


def works(sender: Connection, cell: Cell, share: child.Share) -> None:
    """Stand in for `child.run_cell`: import everything, note the time, work, note the time."""

    def action(stop: StopRequest) -> None:
        quieten_imports()
        for name in preload.MODULES:
            importlib.import_module(name)
        run = RunDirectory(cell.directory)
        run.create()
        run.append_line(run_files.ATTEMPTS, {"time": time.time()})
        time.sleep(float(os.environ[SECONDS]))
        run.write(run_files.CELL, {"format": run_directory.FORMAT})
        run.write(run_files.TRAINED, {})
        run.write(run_files.RESULTS, {"scores": []})
        run.append_line(run_files.ATTEMPTS, {"time": time.time()})

    child._end(sender, action, cell.directory / run_files.FAILED)


def gaps(count: int, *, ahead: bool) -> list[float]:
    """Return the seconds between one cell's end and the next one's begin."""
    runner.starts_ahead = lambda: ahead
    with tempfile.TemporaryDirectory() as directory:
        cells = [
            Cell(
                CellConfig(
                    model=ModelConfig(name="none", path="none", architecture="none"),
                    peft=PeftConfig(name="none"),
                    data=DataConfig(name="none"),
                    runtime=RuntimeConfig(results=directory),
                ),
                f"cell-{number}",
                {},
                Path(directory),
            )
            for number in range(count)
        ]
        outcomes = runner.run_cells(cells, announce=False)
        assert all(one.state == "done" for one in outcomes), outcomes
        times = [
            [line["time"] for line in RunDirectory(one.directory).read_lines(run_files.ATTEMPTS)]
            for one in cells
        ]
    return [later[0] - earlier[1] for earlier, later in itertools.pairwise(times)]


def main() -> None:
    """Measure both ways and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6.0, help="that a cell works")
    options = parser.parse_args()
    os.environ[SECONDS] = str(options.seconds)
    gpus.DRIVERS = ("/dev/null",)
    child.run_cell = works
    without, ahead = (gaps(options.cells, ahead=way) for way in (False, True))
    print(f"started at its turn: {statistics.mean(without):.2f} s (longest {max(without):.2f})")
    print(f"started ahead:       {statistics.mean(ahead):.2f} s (longest {max(ahead):.2f})")
    print(f"ratio:               {statistics.mean(without) / statistics.mean(ahead):.1f}")


if __name__ == "__main__":
    main()
