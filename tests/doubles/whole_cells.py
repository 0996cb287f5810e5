"""What tests of whole cells share: starting one as a user does, and finding what it left."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tunegrid.store.run_directory import RunDirectory


def popen(command: Sequence[str], directory: Path) -> subprocess.Popen[str]:
    """Start a command whose output is read when it ends."""
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=directory
    )


def only_run(results: Path) -> RunDirectory:
    """Return the one run there is."""
    (path,) = (results / "runs").glob("*/cell.json")
    return RunDirectory(path.parent)
