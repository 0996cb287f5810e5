"""A run of format 1 under the name that its weights have in this format.

Owns: the files of one run directory while they get other names. Knows nothing of launches.

Everything is done in an order that can be interrupted anywhere and done again: files first,
cell.json after them, the directory's own name last.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tunegrid.cells import format_1, identity, requests
from tunegrid.cells.identity import Cell
from tunegrid.cells.stages import lm_eval, score
from tunegrid.config.compose.typed import config_from
from tunegrid.config.errors import StoreError, TunegridError
from tunegrid.config.schema import CellConfig
from tunegrid.store import run_files
from tunegrid.store.inputs.hub_commit import cached_commit
from tunegrid.store.run_directory import RunDirectory

Commit = Callable[[str, str | None], str | None]

# What was trained and answered before there were rules (`identity.RULES`) did not follow them.
BEFORE_RULES = SimpleNamespace(
    prediction_id=identity.prediction_id,
    score_id=identity.score_id,
    DECISIONS=format_1.DECISIONS,
)


@dataclass(frozen=True)
class Renaming:
    """What becomes of one run."""

    old: str
    new: str
    cell: Cell | None = None
    """Under its new name; None for answers made elsewhere, whose name stays."""
    predictions: Mapping[str, str] = field(default_factory=dict)
    """New names by old ones."""
    scores: Mapping[str, str] = field(default_factory=dict)
    base_predictions: Mapping[str, str] = field(default_factory=dict)
    """Where the untuned base's answers lie, by a score's new name."""
    left: tuple[str, ...] = ()
    """What keeps its old name, and why."""


def planned(
    run: RunDirectory,
    results: Path,
    project: Path,
    further_ways: Iterable[CellConfig] = (),
    commit: Commit = cached_commit,
) -> Renaming | str:
    """Return what becomes of a run, or why it has to stay as it is.

    Args:
        run: of format 1.
        results: the results directory.
        project: where the program lies.
        further_ways: settings with which launches asked the same training other things.
        commit: returns the commit of a base on the hub.

    Raises:
        StoreError: the run's own record cannot be read.
    """
    record = run.read(run_files.CELL)
    if record.get("kind") == run_files.IMPORTED:
        return Renaming(run.path.name, run.path.name)
    config = config_from(record["config"])
    config.runtime.results = str(results)
    contents = _contents(config, record["identity"])
    problem = _pin(config, contents, commit)
    if problem is not None:
        return problem
    cell = identity.named(config, identity.train_identity(config, contents, rules={}), project)
    old = Cell(config, run.path.name, record["identity"], project)
    found = Renaming(run.path.name, cell.train_id, cell)
    for way in [config, *further_ways]:
        found = _with_names(found, run, old, cell, way)
    return replace(found, left=tuple(_left(run, found)))


def carry_out(run: RunDirectory, renaming: Renaming) -> None:
    """Give the files of a run their new names; its directory keeps its own.

    The run's lock must be held.
    """
    record = run.read(run_files.CELL)
    if renaming.cell is None:
        run.write(run_files.CELL, record | {"format": identity.FORMAT})
        return
    for old, new in renaming.predictions.items():
        for path in sorted((run.path / run_files.PREDICTIONS).glob(f"{old}.*")):
            os.replace(path, path.with_name(new + path.name.removeprefix(old)))
    for old, new in renaming.scores.items():
        _rename_score(run, old, new, renaming)
    if run.has(run_files.RESULTS):
        results = run.read(run_files.RESULTS)
        names = [renaming.scores.get(name, name) for name in results["scores"]]
        run.write(run_files.RESULTS, results | {"scores": names})
    # Tells a run that was interrupted here from one that was copied, and launches what to write.
    before = {"train_id": renaming.old, "scores": dict(renaming.scores)}
    renamed = {"train_id": renaming.new, "renamed_from": before}
    run.write(run_files.CELL, renaming.cell.record() | renamed)


def _contents(config: CellConfig, old: Mapping[str, Any]) -> dict[str, str]:
    """Return the content hash of every path, from the identity that was hashed then."""
    found = {config.model.path: old["model"]["path"]}
    data = old.get("data", {})
    found |= dict(zip(config.data.files, data.get("files", []), strict=False))
    for name, collection in config.data.collections.items():
        hashes = data.get("collections", {}).get(name, {}).get("files", [])
        found |= dict(zip(collection.files, hashes, strict=False))
    return found


def _pin(config: CellConfig, contents: dict[str, str], commit: Commit) -> str | None:
    """Name a base on the hub by its commit; return why that is not possible."""
    if not contents[config.model.path].startswith("hub:"):
        return None
    path = config.model.path
    found = commit(path, config.model.revision)
    if found is None:
        return (
            f"nobody here knows which commit of {path} it was trained on; bring the base with "
            "`tunegrid fetch`, or write its commit as config.model.revision into its cell.json"
        )
    config.model.revision = found
    contents[path] = f"hub:{path}@{found}"
    return None


def _with_names(
    found: Renaming, run: RunDirectory, old: Cell, new: Cell, way: CellConfig
) -> Renaming:
    """Return a renaming with the names of what one way of asking gave."""

    def asked_this_way(cell: Cell) -> Cell:
        return replace(
            cell,
            config=replace(
                cell.config,
                eval=way.eval,
                judge=way.judge,
                runtime=replace(
                    cell.config.runtime,
                    generation_batch_tokens=way.runtime.generation_batch_tokens,
                ),
            ),
        )

    asking = asked_this_way(new)
    try:
        before = requests.evaluation_requests(asked_this_way(old), format_1)
        after = requests.evaluation_requests(asking, BEFORE_RULES)
    except (TunegridError, OSError, ImportError):
        # Its items cannot be read here; what it gave is listed as left.
        return found
    predictions, scores = dict(found.predictions), dict(found.scores)
    bases = dict(found.base_predictions)
    for one, other in zip(before, after, strict=True):
        # Under either name: what was interrupted has some of both.
        if _has(run, run_files.PREDICTIONS, one.prediction_id, other.prediction_id):
            predictions[one.prediction_id] = other.prediction_id
        if _has(run, run_files.SCORES, one.score_id, other.score_id):
            scores[one.score_id] = other.score_id
            bases[other.score_id] = score.base_prediction(asking, other, BEFORE_RULES)
    if way.eval.tasks:
        # Its samples and its results share a name.
        was = lm_eval.score_id(asked_this_way(old), old.train_id)
        now = lm_eval.score_id(asking)
        if _has(run, run_files.SCORES, was, now):
            predictions[was] = scores[was] = now
    return replace(found, predictions=predictions, scores=scores, base_predictions=bases)


def _has(run: RunDirectory, folder: str, *names: str) -> bool:
    """Return whether a run has a file, whole or begun, under one of the names."""
    return any(list((run.path / folder).glob(f"{name}.*")) for name in names)


def _left(run: RunDirectory, found: Renaming) -> list[str]:
    """Return the answers and scores whose new names nobody can tell."""
    known = {*found.predictions, *found.predictions.values(), *found.scores, *found.scores.values()}
    paths = [
        *(run.path / run_files.PREDICTIONS).glob("*.jsonl"),
        *(run.path / run_files.SCORES).glob("*.json"),
    ]
    names = {path.name.split(".json")[0].removesuffix(".part") for path in paths}
    return sorted(names - known)


def _rename_score(run: RunDirectory, old: str, new: str, renaming: Renaming) -> None:
    folder = run.path / run_files.SCORES
    lines, summary = folder / f"{old}.jsonl", folder / f"{old}.json"
    if lines.exists():
        os.replace(lines, folder / f"{new}.jsonl")
    if not summary.exists():
        return
    content = run.read(f"{run_files.SCORES}/{old}.json")
    prediction = content["prediction_id"]
    content |= {
        "score_id": new,
        "prediction_id": renaming.predictions.get(prediction, prediction),
    }
    if new in renaming.base_predictions:
        content["base_prediction"] = renaming.base_predictions[new]
    run.write(f"{run_files.SCORES}/{new}.json", content)
    if new != old:
        run.remove(f"{run_files.SCORES}/{old}.json")


def is_older(record: Any) -> bool:
    """Return whether a cell.json has the name of an earlier format."""
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise StoreError("its cell.json is no record of a cell")
    written: int = record["format"]
    return written < identity.FORMAT
