"""What `run.py` does: check the command line, let Hydra compose, run each cell in a child.

Owns: the wiring to Hydra and how errors are shown. Part of the edge; never imports torch.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import hydra
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from tunegrid.cells import check, earlier, inference_settings, wanted
from tunegrid.cells.identity import Cell
from tunegrid.cells.state import is_finished
from tunegrid.cli.output import update_tables
from tunegrid.config.choices import Stage
from tunegrid.config.compose import overrides, typed
from tunegrid.config.compose.composer import strict
from tunegrid.config.compose.messages import explained
from tunegrid.config.errors import ConfigError, StoreError, TunegridError
from tunegrid.config.schema import CellConfig
from tunegrid.launch import migrate
from tunegrid.launch.distributed import cell as distributed
from tunegrid.launch.outcomes import DONE, EXIT_CODES, FAILED, INTERRUPTED, NOT_STARTED, REFUSED
from tunegrid.launch.runner import follow, run_cells
from tunegrid.launch.sweep import asked_scores, say
from tunegrid.launch.sweep_cells import Member
from tunegrid.models.bases import unnamed
from tunegrid.plan.rows import Plan
from tunegrid.reports.terminal import print_cell
from tunegrid.store import lock, run_files
from tunegrid.store.run_directory import RunDirectory

_project: list[Path] = []
"""The directory given to `main`; Hydra calls plugins without passing anything through."""

_exit_codes: list[int] = []
"""How sweeps ended that ran their cells themselves."""


def main(project_directory: Path) -> None:
    """Run the command line; ends the process with an exit code.

    0: every cell is done. 1: a cell failed. 2: refused before anything was started.
    130: interrupted; the same command continues.

    Args:
        project_directory: holds conf/.
    """
    ConfigStore.instance().store(name="schema", node=CellConfig)
    # Hydra prints errors its own way and exits; with this set it raises them, and they are
    # shown below with what is accepted and what to do.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    _project.append(project_directory)
    worst = [0]

    def task(composed: DictConfig) -> int:
        # An error of one cell is shown and counted here: raised, it would end a sweep.
        try:
            code = run_composed(composed, project_directory)
        except (TunegridError, OmegaConfBaseException) as error:
            code = shown(error)
        except Exception:
            traceback.print_exc()
            code = EXIT_CODES[FAILED]
        worst[0] = max(worst[0], code)
        return code

    try:
        conf = project_directory / "conf"
        sys.argv[1:] = [*overrides.checked(sys.argv[1:], conf), *distributed.own_directories()]
        decorate = hydra.main(version_base="1.3", config_path=str(conf), config_name="config")
        decorate(task)()
    except (TunegridError, HydraException, OmegaConfBaseException) as error:
        sys.exit(shown(error))
    except yaml.YAMLError as error:
        sys.exit(shown(ConfigError(f"a configuration file is no YAML: {error}")))
    except OSError as error:
        sys.exit(
            shown(
                StoreError(
                    f"{error}. Nothing was started. Free space or fix the permissions, or choose "
                    "another place with runtime.results=<directory>"
                )
            )
        )
    except KeyboardInterrupt:
        sys.exit(EXIT_CODES[INTERRUPTED])
    sys.exit(max([worst[0], *_exit_codes]))


def note_exit_code(code: int) -> None:
    """Have the process end with this code, unless a cell ends it with a higher one."""
    _exit_codes.append(code)


def project() -> Path:
    """Return the directory that was given to `main`."""
    return _project[-1]


def run_composed(composed: DictConfig, project_directory: Path) -> int:
    """Check and run one composed cell; return its exit code."""
    directory = Path(HydraConfig.get().runtime.cwd)
    if composed.stage is Stage.plan:
        return _planned(composed, directory, project_directory)
    return run_one(composed_cell(composed, directory, project_directory))


def _planned(composed: DictConfig, working_directory: Path, project_directory: Path) -> int:
    """Print the plan of one cell; return its exit code."""
    from tunegrid.cells.check import Planned
    from tunegrid.plan.planning import plan

    read = unnamed.reader((working_directory, project_directory))
    config = typed.typed(strict(composed), read)
    draft = check.drafted(config, project_directory, working_directory)
    one = Planned(draft.cell, missing=draft.absent, refused="; ".join(draft.refused) or None)
    print_plan(plan([one]))
    return 0


def composed_cell(
    composed: DictConfig, working_directory: Path, project_directory: Path | None = None
) -> Cell:
    """Return the checked cell of a configuration that Hydra composed.

    Args:
        composed: may hold Hydra's own node.
        working_directory: where the user's relative paths start.
        project_directory: holds conf/; by default that of this process' `main`.

    Raises:
        ConfigError: the cell cannot be run.
    """
    return from_composed(strict(composed), project_directory or project(), working_directory)


def shown(error: Exception) -> int:
    """Print an error as a message and return the exit code it means."""
    print(f"\n{explained(error)}", file=sys.stderr)
    return EXIT_CODES[REFUSED] if is_refusal(error) else EXIT_CODES[FAILED]


def is_refusal(error: Exception) -> bool:
    """Return whether the error says that a configuration is wrong."""
    return isinstance(error, ConfigError | HydraException | OmegaConfBaseException)


def report(members: Sequence[Member]) -> int:
    """Print every cell with how far it is, then the comparison of those that are scored.

    What other cells have left undone in the same runs is none of theirs. Returns the exit code: 1
    where a cell failed, or a run cannot be read, which is named; the others have their rows.
    """
    from tunegrid.cells import state
    from tunegrid.reports.index import Index
    from tunegrid.reports.rows import readable, run_rows
    from tunegrid.reports.terminal import print_comparison, print_runs

    directories = dict.fromkeys(member.cell.directory for member in members)
    for path in directories:
        # A process killed between its last file and its lock leaves the lock.
        if path.exists():
            lock.clear_dead(path / run_files.LOCK)
    runs = [RunDirectory(path) for path in directories]
    memory = Index(runs[0].path.parents[1])
    whole, damaged = readable([run for run in runs if run.has(run_files.CELL)], memory)
    asked: dict[str, list[str]] = {}
    for member in members:
        asked.setdefault(member.cell.train_id, []).extend(asked_scores(member.cell))
    found = run_rows(whole, asked, memory)
    print_runs(found, len(runs) - len(damaged))
    print_comparison(whole, _ways(members))
    update_tables(runs[0].path.parents[1])
    for run, what in damaged:
        say(f"{run.path} was left out: {what}")
    bad = [status.value for status in state.BAD]
    return int(bool(damaged) or any(row["status"] in bad for row in found))


class TablesAsCellsEnd:
    """Keeps results/tables/ current while a sweep runs; called whenever a cell has ended."""

    EVERY_SECONDS = 30.0

    def __init__(self, results: Path) -> None:
        self.results = results
        self.last = 0.0

    def __call__(self) -> None:
        """Write the tables, unless they were written a moment ago: the end writes them anyway."""
        if time.monotonic() - self.last > self.EVERY_SECONDS:
            update_tables(self.results)
            self.last = time.monotonic()


def _ways(members: Sequence[Member]) -> dict[str, dict[str, list[str]]]:
    """Return, for each run, the names of its scores by the way in which they were asked for."""
    asked: dict[str, dict[str, list[str]]] = {}
    for member in members:
        evaluation, ways = member.cell.config.eval, asked.setdefault(member.cell.train_id, {})
        words = [
            evaluation.name,
            inference_settings.label(member.cell.config),
            evaluation.prompt_suffix,
        ]
        way = name = " ".join(word.strip() for word in words if word)
        while name in ways:
            # Told apart by something without a short name, such as the decoding.
            name = f"{way} ({len(ways) + 1})"
        ways[name] = asked_scores(member.cell)
    return asked


def print_plan(found: Plan, file: TextIO | None = None) -> None:
    """Print a plan as a table with its totals; `tunegrid.plan.records` has them as values."""
    from tunegrid.plan import table

    table.print_plan(found, file)


def from_composed(
    composed: DictConfig | ListConfig, project: Path, working_directory: Path
) -> Cell:
    """Return the checked cell of a composed configuration.

    Args:
        composed: what Hydra composed, with the schema in it.
        project: where the configuration's own relative paths start.
        working_directory: where the user's relative paths start; tried first.

    Raises:
        ConfigError: every problem that can be seen without torch, at once.
    """
    config = typed.typed(composed, unnamed.reader((working_directory, project)))
    return check.checked(config, project, working_directory)


def run_one(cell: Cell) -> int:
    """Run one cell in a child process, print its results, return the exit code.

    A finished cell is not run again: its results are printed without loading torch.
    """
    if distributed.follows([cell]):
        return EXIT_CODES[follow(cell).state]
    migrate.refuse_older(Path(cell.config.runtime.results))
    run = RunDirectory(cell.directory)
    stage = cell.config.stage
    asked = wanted.score_ids(cell)
    if is_finished(cell):
        print(f"{cell.train_id} is finished already; nothing was run.", file=sys.stderr)
        print_cell(run, stage, asked)
        return EXIT_CODES[DONE]
    if lock.is_held(run.path / run_files.LOCK):
        print(f"{run.path} is being written by another process; waiting.", file=sys.stderr)
    before = earlier.said([cell])
    if before is not None and not run.path.exists():
        print(before, file=sys.stderr)
    [outcome] = run_cells([cell])
    if stage in (Stage.all, Stage.train):
        update_tables(Path(cell.config.runtime.results))
    if outcome.reason:
        print(f"\n{outcome.reason}", file=sys.stderr)
    if outcome.state == DONE:
        print_cell(run, stage, asked)
    elif outcome.state in (INTERRUPTED, NOT_STARTED):
        print(
            "\nStopped. Nothing is lost but the steps since the last checkpoint; "
            "the same command continues.",
            file=sys.stderr,
        )
    return EXIT_CODES[outcome.state]
