"""All runs of an earlier format under their present names, and the launches that name them.

Owns: the order in which a results directory is renamed. Nothing is trained, answered or scored;
what is interrupted is continued by the same command.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.cells import identity, rename
from tunegrid.cells.rename import Renaming
from tunegrid.config.compose.typed import config_from
from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.config.schema import CellConfig
from tunegrid.config.stored import present_form
from tunegrid.launch import record as launches
from tunegrid.store import json_files, run_files
from tunegrid.store.lock import Held
from tunegrid.store.run_directory import RunDirectory

MARK = ".format"
"""Below runs/: the format that all of them have, so that a launch need not look at each."""


@dataclass(frozen=True)
class Step:
    """What happened, or would happen, to one run."""

    old: str
    new: str | None
    """None where it stays as it is."""
    remark: str = ""


def migrate(results: Path, project: Path, *, is_trial: bool = False) -> Iterator[Step]:
    """Rename the runs of earlier formats one by one; yield what became of each.

    Args:
        results: the results directory.
        project: where the program lies.
        is_trial: whether to change nothing.
    """
    ways = _ways(results)
    is_all = True
    for directory in older_runs(results):
        step = _one(directory, results, project, ways[directory.name], is_trial)
        is_all = is_all and step.new is not None
        yield step
    if not is_trial:
        renamed = _renamed(results)
        for directory in launches.all_of(results):
            _rename_in_launch(directory, renamed)
        if is_all and (results / "runs").is_dir():
            _mark(results)


def older_runs(results: Path) -> list[Path]:
    """Return the run directories that have the names of an earlier format.

    One that was renamed up to its directory's own name is among them.
    """
    found = []
    for path in sorted((results / "runs").glob(f"*/{run_files.CELL}")):
        with suppress(StoreError):
            record = json_files.read_json(path)
            # A run with a damaged record is named by whatever reads it.
            if isinstance(record, dict) and (
                rename.is_older(record) or _is_half_renamed(path.parent, record)
            ):
                found.append(path.parent)
    return found


def refuse_older(results: Path) -> None:
    """Refuse to launch into a results directory whose runs would not be recognised.

    Raises:
        ConfigError: they would be trained again.
    """
    mark = results / "runs" / MARK
    with suppress(OSError):
        if mark.read_text(encoding="utf-8").strip() == str(identity.FORMAT):
            return
    found = older_runs(results)
    if found:
        raise ConfigError(
            f"{results / 'runs'} holds {len(found)} runs that an earlier version named "
            f"({found[0].name} …) and that tables and commands would not know. Give them names of "
            f"this version with `tunegrid migrate --results {results}`, which trains nothing, or "
            "choose another runtime.results"
        )
    if mark.parent.is_dir():
        _mark(results)


def _mark(results: Path) -> None:
    # A mark that cannot be written costs a look at every run, nothing else.
    with suppress(StoreError):
        json_files.write_text(results / "runs" / MARK, f"{identity.FORMAT}\n")


def _is_half_renamed(directory: Path, record: Mapping[str, Any]) -> bool:
    named = str(record.get("train_id", ""))
    return (
        record.get("format") == identity.FORMAT
        and named != directory.name
        and bool(record.get("renamed_from", {}).get("train_id") == directory.name)
    )


def _one(
    directory: Path, results: Path, project: Path, ways: list[CellConfig], is_trial: bool
) -> Step:
    run = RunDirectory(directory)
    try:
        record = run.read(run_files.CELL)
        if _is_half_renamed(directory, record):
            new = str(record["train_id"])
            return _moved(run, Renaming(directory.name, new), results, is_trial)
        renaming = rename.planned(run, results, project, ways)
    except (StoreError, KeyError, TypeError) as error:
        return Step(directory.name, None, f"its cell.json cannot be read: {error}")
    if isinstance(renaming, str):
        return Step(directory.name, None, renaming)
    if is_trial:
        return Step(directory.name, renaming.new, _remark(renaming))
    try:
        with run.locked():
            rename.carry_out(run, renaming)
    except Held as error:
        return Step(directory.name, None, str(error))
    return _moved(run, renaming, results, is_trial)


def _moved(run: RunDirectory, renaming: Renaming, results: Path, is_trial: bool) -> Step:
    """Give the directory its new name; one that is taken sends it aside, whole."""
    target = results / "runs" / renaming.new
    if run.path == target or is_trial:
        return Step(renaming.old, renaming.new, _remark(renaming))
    if target.exists():
        now = time.strftime("%Y-%m-%d_%H-%M-%S")
        aside = results / run_files.REPLACED / renaming.old / now
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.rename(run.path, aside)
        return Step(
            renaming.old, renaming.new,
            f"another run has these weights already; this one is kept in {aside}",
        )  # fmt: skip
    os.rename(run.path, target)
    return Step(renaming.old, renaming.new, _remark(renaming))


def _remark(renaming: Renaming) -> str:
    if not renaming.left:
        return ""
    names = ", ".join(renaming.left[:3]) + (" …" if len(renaming.left) > 3 else "")
    return (
        f"{len(renaming.left)} answers or scores keep their names, because what was asked cannot "
        f"be read here ({names})"
    )


def _ways(results: Path) -> dict[str, list[CellConfig]]:
    """Return the settings with which launches asked each run, by its old name."""
    found: dict[str, list[CellConfig]] = defaultdict(list)
    for directory in launches.all_of(results):
        with suppress(StoreError):
            for entry in launches.read(directory).entries:
                found[entry.train_id].append(config_from(entry.config))
    return found


def _renamed(results: Path) -> dict[str, Mapping[str, Any]]:
    """Return the records of the runs that were renamed, by their old names."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in (results / "runs").glob(f"*/{run_files.CELL}"):
        with suppress(StoreError):
            record = json_files.read_json(path)
            if isinstance(record, dict) and "renamed_from" in record:
                found[record["renamed_from"]["train_id"]] = record
    return found


def _rename_in_launch(directory: Path, renamed: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the present names into the record of a launch."""
    path = directory / launches.CELLS
    try:
        content = json_files.read_json(path)
        entries = content["entries"]
        is_named = any(entry["train_id"] in renamed for entry in entries)
    except (StoreError, KeyError, TypeError):
        return
    if not is_named:
        return
    for entry in entries:
        run = renamed.get(entry["train_id"])
        if run is None:
            continue
        scores = run["renamed_from"]["scores"]
        entry["train_id"] = run["train_id"]
        entry["asked"] = [scores.get(name, name) for name in entry["asked"]]
        entry["config"] = present_form(entry["config"])
        entry["config"]["model"]["revision"] = run["config"]["model"]["revision"]
    json_files.write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
