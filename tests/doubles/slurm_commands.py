"""Commands of SLURM that print a text, and launches whose cells are names alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunegrid.launch.record import Entry, Launch

TINY = {"hidden_size": 64, "n_layer": 2, "vocab_size": 1000}


def launch_of(
    tmp_path: Path,
    cells: Sequence[tuple[str, str]],
    numbers: dict[str, Any] | None = None,
    **runtime: Any,
) -> Launch:
    settings = {"gpus_per_cell": 1, "cells_per_job": 1, "parallel": 1, "device": "auto", **runtime}
    entries = [
        Entry(
            f"cell{i}",
            (),
            (),
            {
                "model": {"path": base, "architecture_config": numbers or TINY},
                "quantization": held,
                "runtime": settings,
            },
        )
        for i, (base, held) in enumerate(cells)
    ]
    return Launch(tmp_path, "sweep", "now", "slurm", "host", 1, tmp_path, tmp_path, tuple(entries))


def answer(folder: Path, command: str, text: str, code: int = 0) -> None:
    """Put a command on the PATH that prints a text."""
    folder.mkdir(exist_ok=True)
    path = folder / command
    channel = ">&2" if code else ""
    path.write_text(f"#!/bin/sh\ncat {channel} <<'END'\n{text}\nEND\nexit {code}\n")
    path.chmod(0o755)
