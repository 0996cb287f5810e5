"""Sweeps of the miniature for a SLURM, and what to do with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from hydra_plugins.slurm_launcher.launcher import FrozenSlurmLauncher, SlurmConfig
from tunegrid.cli import run
from tunegrid.config.project import project_directory
from tunegrid.config.schema import CellConfig
from tunegrid.launch import record
from tunegrid.launch.outcomes import Outcome
from tunegrid.launch.record import Launch

PROJECT = project_directory()
CHEAP = ("eval=none", "train.max_steps=10", "runtime.device=cpu", "runtime.progress=false")


def freeze_cells(results: Path, varied: Sequence[Sequence[str]], fixed: Sequence[str]) -> Launch:
    """Write the launch of the cells that differ in the words of `varied`."""
    Plugins.instance()
    ConfigStore.instance().store(name="schema", node=CellConfig)
    made = []
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        for words in varied:
            every = [*CHEAP, f"runtime.results={results}", *fixed, *words]
            cell = run.from_composed(compose("config", overrides=every), PROJECT, PROJECT)
            made.append((every, cell, []))
    stamp = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{time.monotonic_ns()}"
    return record.write(results / "launches" / "trial" / stamp, "trial", "slurm", made)


def launch(of: Launch, **settings: Any) -> list[Outcome]:
    """Submit all cells of a launch, wait, and return their outcomes."""
    return FrozenSlurmLauncher(**parameters(of, **settings)).launch_frozen(
        of, range(len(of.entries))
    )


def parameters(of: Launch, **settings: Any) -> dict[str, Any]:
    """The launcher's settings with defaults for tests."""
    given = {"timeout_min": 5, "signal_delay_s": 30, "cpus_per_task": 1, **settings}
    every = asdict(SlurmConfig(**given))
    del every["_target_"]
    return every | {"submitit_folder": f"{of.directory}/slurm/%j", "name": of.sweep}


def run_path(of: Launch, index: int) -> Path:
    """The run directory of a cell of a launch."""
    return of.results / "runs" / of.entries[index].train_id


def wait_until(holds: Callable[[], Any], seconds: float = 500) -> Any:
    """Return what `holds` returns once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = holds()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain")
