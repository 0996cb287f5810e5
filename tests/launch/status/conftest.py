"""A launch whose cells are in every state."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.fabricated_runs import BELLE, Run
from tunegrid.store import json_files, lock, run_files


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A launch of five cells: done, training, failed, not begun, and one in a damaged directory."""
    runs = [Run(tmp_path, f"cell-{seed}", seed=seed) for seed in range(5)]
    entries = [
        {"train_id": run.name, "asked": [BELLE], "words": [f"seed={seed}"], "config": run.config}
        for seed, run in enumerate(runs)
    ]
    record = {
        "format": 1, "sweep": "seeds", "started": "2020-01-01T00:00:00Z", "launcher": "basic",
        "host": socket.gethostname(), "pid": os.getpid(), "project": "/", "results": "/",
        "entries": entries,
    }  # fmt: skip
    directory = tmp_path / "launches" / "seeds" / "2020-01-01_00-00-00"
    json_files.write_text(directory / "cells.json", json.dumps(record))
    runs[0].trained().scored(BELLE)
    runs[1].training(10)
    runs[2].training(10).failed("[bold]OutOfMemory[/bold]\nmore")
    runs[4].begun()
    (runs[4].directory.path / run_files.CELL).write_text("{")
    return tmp_path


@pytest.fixture
def busy(results: Path) -> Iterator[Path]:
    with lock.Lock(results / "runs" / "cell-1" / run_files.LOCK):
        yield results
