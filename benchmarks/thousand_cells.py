"""Composing and checking a thousand cells: by parts, against Hydra composing each.

Prints seconds and peak memory of `stage=check` on a grid of 1,000 cells, in a process of its own,
and the ratio of the time Hydra itself takes, measured beside it on the first cells. Run alone:

    python benchmarks/thousand_cells.py [--cells 1000]
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

from tunegrid.config.compose.composer import Composer  # noqa: E402
from tunegrid.config.compose.sweep_file import expanded  # noqa: E402
from tunegrid.config.schema import CellConfig  # noqa: E402
from tunegrid.launch.sweep_cells import sweep_of  # noqa: E402

SWEEP = """
defaults:
  - config
  - override hydra/sweeper: grid
  - _self_
hydra:
  mode: MULTIRUN
  sweeper:
    grids:
      - model: [mini_llama, mini_bloom]
        peft: [lora, adalora, prefix_tuning, sadapter_p, p_adapter]
        quantization: [fp32, int8]
        prompt: [english, chinese]
        train.learning_rate: [1.0e-4, 3.0e-4, 1.0e-3, 3.0e-3, 1.0e-2]
        seed: [{seeds}]
"""
COMPARED = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1000, help="a multiple of 200")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        seeds = ", ".join(str(seed) for seed in range(options.cells // 200))
        (directory / "thousand.yaml").write_text(SWEEP.format(seeds=seeds))
        checked(directory)
        compared(directory)


def checked(directory: Path) -> None:
    """Print what the whole check takes: composition, settings, names, architectures."""
    command = [sys.executable, str(PROJECT / "run.py"), "-cd", str(directory), "-cn", "thousand"]
    words = ["stage=check", f"runtime.results={directory / 'results'}"]
    began, peak = time.perf_counter(), 0
    with subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True) as process:
        whole = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, memory_bytes(whole))
            time.sleep(1)
        seconds = time.perf_counter() - began
        assert process.stderr is not None
        print(process.stderr.read().strip().splitlines()[-1])
    print(f"{seconds:.1f} s, peak memory {peak / 2**30:.2f} GiB, all processes together")


def memory_bytes(process: psutil.Process) -> int:
    """Return what a process and its descendants hold; what they share is counted once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += one.memory_full_info().pss
    return total


def compared(directory: Path) -> None:
    """Print how much longer Hydra takes to compose the same cells one by one."""
    ConfigStore.instance().store(name="schema", node=CellConfig)
    with initialize_config_dir(str(directory), version_base="1.3"):
        search = f"hydra.searchpath=[file://{PROJECT / 'conf'}]"
        master = compose("thousand", overrides=[search], return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        master.hydra.job.config_name = "thousand"
        words = expanded(sweep_of(master), [], loader, [directory], PROJECT / "conf")
        composer = Composer(loader, master)
        began = time.perf_counter()
        for one in words:
            composer.compose(one.fixed, one.varied)
        by_parts = (time.perf_counter() - began) / len(words)
        began = time.perf_counter()
        for one in words[:COMPARED]:
            loader.load_sweep_config(master, one.all)
        by_hydra = (time.perf_counter() - began) / COMPARED
    print(
        f"composition alone: {1000 * by_parts:.1f} ms a cell by parts, {1000 * by_hydra:.1f} ms by "
        f"Hydra: {by_hydra / by_parts:.1f} times"
    )


if __name__ == "__main__":
    main()
