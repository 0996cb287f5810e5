"""Ten cells of one base answered one by one and together: the same answers, the time of both.

Run: PYTHONPATH=src python benchmarks/shared_base.py --cells 10
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from tunegrid.cells import pipeline, shared_base
from tunegrid.cells.identity import Cell
from tunegrid.cli.run import from_composed
from tunegrid.config.schema import CellConfig
from tunegrid.store import json_files, run_files
from tunegrid.store.run_directory import RunDirectory

PROJECT = Path(__file__).resolve().parents[1]
WORDS = [
    "train.max_steps=3", "train.examples_per_step=4", "eval=mini", "eval.benchmarks.belle=null",
    "eval.limit=8", "runtime.progress=false", "runtime.threads=1", "train.learning_rate=0.01",
]  # fmt: skip


def main() -> None:
    """Train the cells briefly, then answer both ways and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10)
    parser.add_argument("--base", default="mini_llama")
    options = parser.parse_args()
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with tempfile.TemporaryDirectory() as folder:
        all_cells = [made(Path(folder), options.base, seed) for seed in range(options.cells)]
        for cell in all_cells:
            pipeline.run(cell, should_stop=lambda: False)
        forget(all_cells)
        start = time.perf_counter()
        for cell in all_cells:
            pipeline.run(cell, should_stop=lambda: False)
        alone = time.perf_counter() - start
        expected = [texts(cell) for cell in all_cells]
        forget(all_cells)
        start = time.perf_counter()
        loads = shared_base.run_together(all_cells, should_stop=lambda: False)
        together = time.perf_counter() - start
        found = [texts(cell) for cell in all_cells]
    assert found == expected
    different = len({repr(one) for one in found})
    print(f"{options.cells} cells ({different} with answers of their own): answers identical")
    print(f"one by one {alone:.1f} s, {options.cells} loads; together {together:.1f} s, {loads}")


def made(results: Path, base: str, seed: int) -> Cell:
    """Return one small cell."""
    words = [*WORDS, f"model={base}", f"seed={seed}", f"runtime.results={results}"]
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        return from_composed(compose("config", overrides=words), PROJECT, PROJECT)


def forget(all_cells: list[Cell]) -> None:
    """Remove answers and scores, keep what was trained."""
    for cell in all_cells:
        run = RunDirectory(cell.directory)
        for name in (run_files.PREDICTIONS, run_files.SCORES, run_files.RESULTS):
            run.remove(name)


def texts(cell: Cell) -> list[str]:
    """Return a cell's answers."""
    (path,) = (cell.directory / run_files.PREDICTIONS).glob("*.jsonl")
    return [record["text"] for record in json_files.read_json_lines(path)]


if __name__ == "__main__":
    main()
