"""`stage=probe` as a user runs it: three measured steps, and an untouched run directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tunegrid.cells.stages import train
from tunegrid.config.errors import ConfigError
from tunegrid.plan import architecture, calibration, facts, memory, probe
from tunegrid.store.run_directory import RunDirectory

WITHIN = 1.5
"""How far the formula of memory may be off on the miniature."""


def probed(project: Path, results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project / "run.py"), "stage=probe", "runtime.progress=false",
         "runtime.threads=1", "runtime.device=cpu", f"runtime.results={results}", *words],
        capture_output=True, text=True, cwd=project, timeout=500,
    )  # fmt: skip


@pytest.mark.slow
def test_a_probe_is_a_measurement_and_nothing_else(project: Path, tmp_path: Path, planned) -> None:
    cell = planned("runtime.device=cpu").cell
    run = RunDirectory(cell.directory)
    run.write("failed.json", {"stage": "train", "error": "x", "traceback": ""})
    done = probed(project, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tokens/s over 3 steps" in done.stdout
    assert [path.name for path in run.path.iterdir()] == ["failed.json"]
    [one] = calibration.read(tmp_path)
    assert (one.base, one.method, one.precision) == ("mini_llama", "lora", "fp32")
    assert one.tokens_per_second > 0
    numbers = architecture.read(facts._run(architecture.job(cell.config)))
    assert isinstance(numbers, architecture.Architecture)
    estimate = memory.peak_bytes(numbers, one.setting, on_cpu=True)
    assert 1 / WITHIN < one.peak_memory_bytes / estimate < WITHIN


def test_a_base_as_it_is_has_nothing_to_probe(tmp_path: Path, planned) -> None:
    with pytest.raises(ConfigError, match="peft=none trains nothing"):
        probe.probe(planned("peft=none").cell, None, train.mixture_of, lambda: False)
    assert not (tmp_path / calibration.DIRECTORY).exists()
