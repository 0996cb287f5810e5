"""What a sweep was when it was launched: its cells with their settings, frozen.

Owns: `results/launches/<sweep>/<time>/cells.json`, one file a launch, written once. Whatever runs
cells later, in another process or on another machine, reads the settings from here and never
composes them again, so that editing a file after the launch changes nothing. Part of the edge:
imports OmegaConf, never torch.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tunegrid.cells import identity
from tunegrid.cells.identity import Cell
from tunegrid.config.compose.typed import config_from
from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.config.fingerprint import canonical_json
from tunegrid.config.schema import CellConfig
from tunegrid.store import json_files
from tunegrid.store.inputs import locate
from tunegrid.store.run_names import run_with_hash

FORMAT = 1
CELLS = "cells.json"


@dataclass(frozen=True)
class Entry:
    """One cell of a launch."""

    train_id: str
    asked: tuple[str, ...]
    """Names of the scores that were asked for."""
    words: tuple[str, ...]
    """The overrides that composed the cell."""
    config: Mapping[str, Any]
    """Its resolved settings, with absolute paths."""


@dataclass(frozen=True)
class Launch:
    """One launch of a sweep."""

    directory: Path
    sweep: str
    started: str
    """In UTC, ISO 8601."""
    launcher: str
    host: str
    pid: int
    project: Path
    results: Path
    entries: tuple[Entry, ...]


def write(
    directory: Path,
    sweep: str,
    launcher: str,
    cells: Sequence[tuple[Sequence[str], Cell, Sequence[str]]],
) -> Launch:
    """Write the record of a launch and return it.

    Args:
        directory: the launch's own, new.
        sweep: the sweep's name.
        launcher: the name of Hydra's launcher.
        cells: of each cell its overrides, the checked cell, and the scores asked for; not empty.

    Raises:
        StoreError: the directory cannot be written.
    """
    first = cells[0][1]
    launch = Launch(
        directory=directory,
        sweep=sweep,
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        launcher=launcher,
        host=socket.gethostname(),
        pid=os.getpid(),
        project=first.project,
        results=Path(first.config.runtime.results),
        entries=tuple(
            Entry(cell.train_id, tuple(asked), tuple(words), _plain(cell.config))
            for words, cell, asked in cells
        ),
    )
    record = asdict(launch) | {"format": FORMAT, "project": str(launch.project)}
    record |= {"results": str(launch.results)}
    del record["directory"]
    json_files.write_text(
        directory / CELLS, json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    )
    return launch


def read(directory: Path) -> Launch:
    """Return the launch that a directory records.

    Raises:
        StoreError: there is none, it is damaged, or a newer version wrote it.
    """
    path = directory / CELLS
    record = json_files.read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise StoreError(
            f"{path} is no record of a launch that this version knows (format {FORMAT}); "
            "continue it with the version that wrote it, or launch the sweep again: what is "
            "finished is not run twice"
        )
    try:
        return Launch(
            directory=directory,
            sweep=record["sweep"],
            started=record["started"],
            launcher=record["launcher"],
            host=record["host"],
            pid=record["pid"],
            project=Path(record["project"]),
            results=Path(record["results"]),
            entries=tuple(
                Entry(one["train_id"], tuple(one["asked"]), tuple(one["words"]), one["config"])
                for one in record["entries"]
            ),
        )
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged: {error!r}; launch the sweep again") from error


def all_of(results: Path) -> list[Path]:
    """Return the directories of all launches under `results`, the latest last."""
    found = (path.parent for path in (results / "launches").glob(f"*/*/{CELLS}"))
    return sorted(found, key=lambda path: (path.name, path.parent.name))


def latest(results: Path, sweep: str | None = None) -> Launch:
    """Return the latest launch, of one sweep or of any.

    Raises:
        ConfigError: there is none.
        StoreError: its record cannot be read.
    """
    directories = all_of(results)
    names = sorted({path.parent.name for path in directories})
    found = [path for path in directories if sweep is None or path.parent.name == sweep]
    if not found:
        from tunegrid.config.functions import suggestion

        what = "no sweep was launched" if sweep is None else f"no sweep {sweep!r} was launched"
        raise ConfigError(
            f"{what} under {results / 'launches'}"
            + (suggestion(sweep or "", names) if names else "; launch one: python run.py -m ...")
        )
    return read(found[-1])


def frozen_cell(launch: Launch, index: int) -> Cell:
    """Return a cell as it was when it was launched.

    Raises:
        ConfigError: what lies at its paths has changed since, so that its name has.
    """
    entry = launch.entries[index]
    config = config_from(entry.config)
    cache = Path(config.runtime.results) / "runs" / ".fingerprints.json"
    identified = identity.train_identity(config, locate.hashes(config, cache))
    now = identity.named(config, identified, launch.project)
    if now.hash != entry.train_id[-identity.HASH_LENGTH :]:
        raise ConfigError(
            f"{entry.train_id} would be {now.train_id} now: a data file, the base or this program "
            f"has changed since {launch.directory} was launched. Put it back, or launch the sweep "
            "again"
        )
    runs = Path(config.runtime.results) / "runs"
    return replace(now, train_id=run_with_hash(runs, now.hash, entry.train_id) or entry.train_id)


def _plain(config: CellConfig) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(canonical_json(asdict(config)))
    return plain
