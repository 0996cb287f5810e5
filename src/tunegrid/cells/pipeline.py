"""The order of a cell's stages: check, data, train, predict, score, results.

Owns: what is done when, what is skipped because its file exists, and all writing (through
`store`). Each step reads the files of the steps before it; nothing goes back. torch is loaded
by what it calls, not by importing it.
"""

from __future__ import annotations

from collections.abc import Callable

from tunegrid.cells import attempts, evaluate, failure, preflight, state, wanted
from tunegrid.cells.identity import Cell
from tunegrid.cells.libraries import prepare_process
from tunegrid.cells.loaded_models import Models
from tunegrid.cells.requests import requests_of
from tunegrid.cells.stages.train import tokenized, train_cell
from tunegrid.config.choices import Stage
from tunegrid.config.errors import (
    ConfigError,
    Incomplete,
    Stopped,
    StoreError,
    TunegridError,
    all_problems,
)
from tunegrid.config.schema import CellConfig
from tunegrid.store import run_directory as store
from tunegrid.store import run_files
from tunegrid.store.run_directory import RunDirectory

ShouldStop = Callable[[], bool]


def prepare(config: CellConfig) -> None:
    """Set the process up for a cell, and check its architecture.

    Raises:
        ConfigError: the base cannot take what the cell asks of it.
    """
    prepare_process(config)
    problems = preflight.architecture_problems(config)
    if problems:
        raise ConfigError(all_problems("the cell cannot be run", problems))


def _check_data(cell: Cell) -> None:
    """Read and encode what a cell would train on, as the run would.

    Raises:
        ConfigError: what the run would find there, prompts that are all too long among it.
    """
    try:
        tokenized(cell.config, Models(cell, RunDirectory(cell.directory)))
    except TunegridError as error:
        raise ConfigError(all_problems("the cell cannot be run", [f"data: {error}"])) from error


def run(cell: Cell, should_stop: ShouldStop) -> None:
    """Bring a cell to its end, or as far as its `stage` says.

    Raises:
        ConfigError: a check refused it; nothing was started.
        TunegridError: a stage ended without its result; failed.json says which.
        Held: another process works on the cell, or took it from this one (LockLost).
        Stopped: `should_stop` became true.
    """
    config = cell.config
    if config.stage in (Stage.plan, Stage.probe):
        raise ConfigError(f"a cell with stage={config.stage.value} is never run")
    prepare(config)
    asked = requests_of(cell)
    if config.stage is Stage.check:
        if config.peft.function is not None and config.peft.imported is None:
            _check_data(cell)
        return
    run_directory = RunDirectory(cell.directory)
    if should_stop():
        # Asked while the process was made ready, which takes seconds; nothing was begun.
        raise Stopped
    newer = store.other_format(run_directory)
    if newer is not None:
        raise StoreError(newer)
    run_directory.create()
    with run_directory.locked() as lock:

        def stop() -> bool:
            return should_stop() or lock.is_lost

        run_directory.remove(run_files.RESULTS)
        run_directory.write(run_files.CELL, wanted.record(cell))
        attempts.note_attempt(run_directory, "begins")
        models = Models(cell, run_directory)
        if not state.is_trained(cell):
            if config.peft.imported is not None:
                raise ConfigError(
                    f"{cell.train_id} was trained elsewhere and its weights are not here; bring "
                    "them with `tunegrid import-adapter`"
                )
            with attempts.noting_failure(run_directory, failure.TRAIN):
                train_cell(cell, run_directory, models, stop)
        incomplete, waiting = [], []
        for one in asked:
            evaluate.answer(cell, run_directory, one, models, stop)
            if evaluate.needs_the_device(cell, one):
                waiting.append(one)
            else:
                incomplete.append(evaluate.rate(cell, run_directory, one, stop))
        further = []
        if config.stage is not Stage.train:
            further = evaluate.harness(cell, run_directory, models)
        if waiting:
            models.release()
        incomplete += [evaluate.rate(cell, run_directory, one, stop) for one in waiting]
        reasons = [reason for reason in incomplete if reason is not None]
        if reasons:
            # Without results.json the cell counts as incomplete, and is not failed either.
            raise Incomplete("\n".join(reasons))
        evaluate.conclude(cell, run_directory, asked, further)
