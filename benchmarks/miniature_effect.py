"""What a LoRA gains over its untuned base on the miniature: paired on items, over seeds.

    python benchmarks/miniature_effect.py [--results DIRECTORY] [--model mini_llama mini_bloom]

Runs the cells that are missing (three seeds and the base, a few minutes each) and prints a
Markdown table: per model, benchmark and seed both means, the difference and its standard error,
and the ratio of the two. Exit code 1 when a difference is not more than twice its error.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from tunegrid.cells.state import FINISHED
from tunegrid.reports.paired import score_rows
from tunegrid.reports.rows import run_rows
from tunegrid.store.run_directory import RunDirectory, finished_runs

PROJECT = Path(__file__).resolve().parents[1]
SEEDS = (0, 1, 2)


def main() -> int:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=PROJECT / "results")
    parser.add_argument("--model", nargs="+", default=["mini_llama", "mini_bloom"])
    options = parser.parse_args()
    command = [
        sys.executable,
        str(PROJECT / "run.py"),
        "-m",
        f"model={','.join(options.model)}",
        "peft=none,lora",
        f"seed={','.join(map(str, SEEDS))}",
        f"runtime.results={options.results}",
    ]
    subprocess.run(command, check=True)
    print("| base | benchmark | seed | untuned | LoRA | difference | standard error | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    weak = 0
    for model in options.model:
        base = find(options.results, model, "none", None)
        for seed in SEEDS:
            for row in score_rows(base, find(options.results, model, "lora", seed)):
                if row["category"] == "all items":
                    weak += not row["difference"] > 2 * row["standard_error"]
                    print(line(model, seed, row))
    return 1 if weak else 0


def find(results: Path, model: str, method: str, seed: int | None) -> RunDirectory:
    """Return the finished miniature cell with these choices."""
    runs = finished_runs(results)
    for run, row in zip(runs, run_rows(runs), strict=True):
        chosen = (row["base"], row["method"], row["seed"], row["quantization"])
        is_finished = row["status"] in [status.value for status in FINISHED]
        is_chosen = chosen == (model, method, seed, "fp32") and row["data"] in (None, "mini")
        if is_finished and is_chosen:
            return run
    raise SystemExit(f"there is no finished cell of {model}, {method}, seed {seed}")


def line(model: str, seed: int, row: dict[str, Any]) -> str:
    """Return one line of the table."""
    numbers = [row["first"], row["second"], row["difference"], row["standard_error"]]
    ratio = row["difference"] / row["standard_error"]
    cells = [model, row["benchmark"], str(seed), *(f"{n:.1f}" for n in numbers), f"{ratio:.1f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
