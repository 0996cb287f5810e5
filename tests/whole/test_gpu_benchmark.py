"""The script for GPUs runs on a CPU, so that it is ready when there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tunegrid.config.project import project_directory


@pytest.mark.slow
def test_every_part_runs_on_tiny_bases_and_a_second_call_does_nothing(tmp_path: Path) -> None:
    words = ["--parts", "all", "--device", "cpu", "--tiny", "--out", os.fspath(tmp_path)]
    script = project_directory() / "benchmarks" / "gpu.py"
    done = subprocess.run(
        [sys.executable, os.fspath(script), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert set(found) == {"machine", "cells", "training", "varlen", "answers", "losses"}
    cells = found["cells"]
    assert (cells["finished"], cells["exit_code"]) == (cells["asked"], 0)
    assert cells["killed_and_continued"] is True
    assert found["losses"]["full_bf16_by_fp32"] == pytest.approx(1.0, abs=0.05)
    assert found["losses"]["full_changed_share"] > 0.99
    assert "| training | int8_times |" in (tmp_path / "gpu.md").read_text(encoding="utf-8")
    again = subprocess.run(
        [sys.executable, os.fspath(script), *words], capture_output=True, text=True, check=False
    )
    assert again.stdout.count("there already") == 5
