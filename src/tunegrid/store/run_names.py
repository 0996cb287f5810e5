"""Which run directory has a hash: its name is words for people, then the hash.

Owns: finding runs by their hash. Knows nothing of what the hash is of.
"""

from __future__ import annotations

import os
from pathlib import Path

_listings: dict[Path, tuple[int, dict[str, list[str]]]] = {}
"""By directory: the time of its last change, and the names in it by their hash."""


def run_with_hash(runs: Path, run_hash: str, preferred: str) -> str | None:
    """Return the name of the run whose name ends in a hash, or None.

    Args:
        runs: the directory of all runs.
        run_hash: the end of its name, behind a dash.
        preferred: taken where it is there; among others the first by name.
    """
    if (runs / preferred).is_dir():
        return preferred
    return min(_by_hash(runs).get(run_hash, []), default=None)


def _by_hash(runs: Path) -> dict[str, list[str]]:
    """Return the names below a directory by what follows their last dash.

    Thousands of cells ask the same directory; it is listed again once it has changed.
    """
    try:
        changed = runs.stat().st_mtime_ns
    except OSError:
        return {}
    known = _listings.get(runs)
    if known is not None and known[0] == changed:
        return known[1]
    found: dict[str, list[str]] = {}
    with os.scandir(runs) as entries:
        for entry in entries:
            if entry.is_dir():
                found.setdefault(entry.name.rpartition("-")[2], []).append(entry.name)
    _listings[runs] = (changed, found)
    return found
