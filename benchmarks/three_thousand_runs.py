"""Tables over 3,000 runs: the first time, again, and without what was remembered.

python benchmarks/three_thousand_runs.py [runs]

The three ways alternate, three rounds, in one process each; what is told is the median and the
ratio. Runs are synthetic: 20 measurements each, all of them compared with the same untuned base.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from doubles.synthetic_runs import make

ROUNDS = 3


def seconds(results: Path) -> float:
    """Return how long `tunegrid tables` takes, its start included."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "tunegrid.cli", "tables", "--results", str(results)],
        check=True, capture_output=True,
    )  # fmt: skip
    return time.monotonic() - began


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory)
        base = make(results, 0, method="none")
        for number in range(1, count):
            make(results, number, base=base.name)
        taken: dict[str, list[float]] = {"nothing remembered": [], "remembered": [], "one new": []}
        for round_number in range(ROUNDS):
            shutil.rmtree(results / ".cache", ignore_errors=True)
            taken["nothing remembered"].append(seconds(results))
            taken["remembered"].append(seconds(results))
            make(results, count + round_number, base=base.name)
            taken["one new"].append(seconds(results))
    first = statistics.median(taken["nothing remembered"])
    for way, times in taken.items():
        middle = statistics.median(times)
        print(f"{count} runs, {way}: {middle:.2f} s (1/{first / middle:.1f} of the first)")


if __name__ == "__main__":
    main()
