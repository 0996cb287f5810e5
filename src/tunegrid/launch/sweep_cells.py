"""From the words of cells to cells: all of them checked before any of them starts.

Owns: composing, checking and naming the cells of a sweep, once each. Part of the edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from tunegrid.cells import check, identity
from tunegrid.cells.check import Draft, Planned
from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Stage
from tunegrid.config.compose import typed
from tunegrid.config.compose.composer import Composer
from tunegrid.config.compose.messages import explained
from tunegrid.config.compose.sweep_file import CellOverrides, Sweep, expanded
from tunegrid.config.errors import ConfigError, all_problems, by_problem
from tunegrid.config.schema import CellConfig
from tunegrid.models.bases import unnamed

PLAN_OF_ALL = "stage=plan holds for a whole sweep; give all its cells the same stage"


@dataclass(frozen=True)
class Member:
    """A cell of a sweep."""

    words: CellOverrides
    cell: Cell
    sweeps: tuple[str, ...]
    """The sweeps that name it."""


@dataclass(frozen=True)
class Members:
    """The cells of a sweep, each once."""

    cells: tuple[Member, ...]
    named: int
    """How many cells the sweeps name, with repetitions."""


class Collector:
    """Makes the cells of one sweep; settings that repeat are composed and checked once."""

    def __init__(self, composer: Composer, project: Path, working_directory: Path) -> None:
        self._composer = composer
        self._project = project
        self._directory = working_directory

    def runnable(self, words: Sequence[CellOverrides]) -> Members:
        """Return the checked cells.

        Raises:
            ConfigError: the problems of all cells that cannot be run.
        """
        found: dict[str, Member] = {}
        problems: list[tuple[str, str]] = []
        refused = 0
        for one in words:
            try:
                config = self._typed(one)
                if config.stage is Stage.plan:
                    raise ConfigError(PLAN_OF_ALL)
                cell = check.examined(config, self._project, self._directory)
            except Exception as error:
                cell = [explained(error)]
            if isinstance(cell, Cell):
                _add(found, one, cell)
                continue
            refused += 1
            problems += [(" ".join(one.varied), problem) for problem in cell]
        if problems:
            heading = f"{refused} of {len(words)} cells cannot be run; nothing was started"
            raise ConfigError(all_problems(heading, by_problem(problems)))
        return Members(tuple(found.values()), len(words))

    def drafts(self, words: Sequence[CellOverrides]) -> list[tuple[Member, Draft]]:
        """Return the cells as far as they can be known without their inputs.

        Raises:
            ConfigError: cells that cannot even be composed.
        """
        found: dict[str, Member] = {}
        drafts: dict[str, Draft] = {}
        problems: list[tuple[str, str]] = []
        for one in words:
            try:
                config = self._typed(one)
            except Exception as error:
                problems.append((" ".join(one.varied), explained(error)))
                continue
            draft = check.drafted(config, self._project, self._directory)
            drafts[_add(found, one, draft.cell)] = draft
        if problems:
            heading = f"{len(problems)} of {len(words)} cells cannot be planned"
            raise ConfigError(all_problems(heading, by_problem(problems)))
        return [(member, drafts[name]) for name, member in found.items()]

    def _typed(self, words: CellOverrides) -> CellConfig:
        read = unnamed.reader((self._directory, self._project))
        return typed.typed(self._composer.compose(words.fixed, words.varied), read)


def _add(found: dict[str, Member], words: CellOverrides, cell: Cell) -> str:
    """Add a cell, or a further sweep to one that is there; return its name."""
    name = identity.asked_name(cell)
    if name not in found:
        found[name] = Member(words, _as_named(found, cell), (words.sweep,))
    elif words.sweep not in found[name].sweeps:
        first = found[name]
        found[name] = Member(first.words, first.cell, (*first.sweeps, words.sweep))
    return name


def _as_named(found: Mapping[str, Member], cell: Cell) -> Cell:
    """Return a cell under the name that an earlier one of the same weights has in this sweep.

    Two names of one base, for example, make no two trainings.
    """
    same = (member.cell.train_id for member in found.values() if member.cell.hash == cell.hash)
    return replace(cell, train_id=next(same, cell.train_id))


def planned(drafts: Sequence[tuple[Member, Draft]]) -> list[Planned]:
    """Return drafts in the form that plans take."""
    return [
        Planned(
            cell=member.cell,
            sweeps=member.sweeps,
            missing=draft.absent,
            refused="; ".join(draft.refused) or None,
        )
        for member, draft in drafts
    ]


def places_of(config: DictConfig) -> list[Path]:
    """Return the directories in which Hydra looks for configurations."""
    sources = config.hydra.runtime.config_sources
    return [Path(one.path) for one in sources if one.schema == "file"]


def sweep_of(config: DictConfig) -> Sweep:
    """Return what a composed sweep file says of its cells."""

    def plain(name: str) -> Any:
        value = OmegaConf.select(config, f"hydra.sweeper.{name}")
        return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value or []

    return Sweep(config.hydra.job.config_name, plain("grids"), plain("exclude"), plain("include"))


def planned_cells(sweep: str, project: Path, overrides: Sequence[str] = ()) -> list[Planned]:
    """Return the cells of a sweep file outside of a launch, whatever of their inputs is here.

    Args:
        sweep: a file of sweeps/, without .yaml.
        project: holds conf/ and sweeps/.
        overrides: as after `python run.py`.

    Raises:
        ConfigError: there is no such sweep, or its cells cannot be composed.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore

    from tunegrid.config.compose import overrides as command_line
    from tunegrid.config.functions import suggestion

    conf, folder = project / "conf", project / "sweeps"
    there = sorted(path.stem for path in folder.glob("*.yaml"))
    if sweep not in there:
        raise ConfigError(f"there is no sweep {sweep!r} in {folder}{suggestion(sweep, there)}")
    words = command_line.checked(list(overrides), conf)
    ConfigStore.instance().store(name="schema", node=CellConfig)
    # Hydra looks for a primary config in the directory alone, for its parts in the path as well.
    with initialize_config_dir(str(folder), version_base="1.3"):
        master = compose(
            sweep, overrides=[f"hydra.searchpath=[file://{conf}]"], return_hydra_config=True
        )
        loader = GlobalHydra.instance().config_loader()
        master.hydra.job.config_name = sweep
        expansion = expanded(sweep_of(master), words, loader, [folder], conf)
        collector = Collector(Composer(loader, master), project, Path.cwd())
        return planned(collector.drafts(expansion))
