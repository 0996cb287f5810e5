"""The sweeper `grid`: expands a sweep, checks every cell, then runs what is not done.

Owns: the border to Hydra's sweeps. What a sweep is stands in `tunegrid.grid`, what a cell is in
`tunegrid.cell`.

`from __future__ import annotations` must not stand here: Hydra reads the dataclass' types.
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from tunegrid import grid, launch, overrides
from tunegrid.entry import composed_cell, explained, project
from tunegrid.errors import ConfigError, all_problems
from tunegrid.identity import Cell
from tunegrid.schema import Stage
from tunegrid.store import RunDirectory
from tunegrid.tables.rows import run_rows


@dataclass
class GridSweeperConfig:
    """What a sweep file sets under `hydra.sweeper`."""

    _target_: str = "hydra_plugins.grid_sweeper.sweeper.GridSweeper"
    grids: list[Any] = field(default_factory=list)
    """Each maps settings and groups to choices; the sweep is the union of their products."""
    exclude: list[Any] = field(default_factory=list)
    """Each maps settings to values; cells that agree with all of them are left out."""
    max_cells: int = 2000


@dataclass(frozen=True)
class Words:
    """One cell's overrides: those every cell has, and those that tell the cells apart."""

    fixed: list[str]
    varied: list[str]

    @property
    def all(self) -> list[str]:
        """All of them, in the order Hydra applies them."""
        return [*self.fixed, *self.varied]


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConfig)


class GridSweeper(Sweeper):
    """Runs the cells of a sweep through the launcher, in the order of their bases."""

    def __init__(self, grids: list[Any], exclude: list[Any], max_cells: int) -> None:
        self.grids = [_plain(one) for one in grids]
        self.exclude = [_plain(one) for one in exclude]
        self.max_cells = max_cells
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.launcher: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives; called once before `sweep`."""
        from hydra.core.plugins import Plugins

        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Check every cell, then launch those that are not done.

        Raises:
            ConfigError: a cell cannot be run; nothing was started.
        """
        cells = self._checked(self._expanded(arguments))
        waiting = [(words, cell) for words, cell in cells if not launch.is_finished(cell)]
        if all(cell.config.stage is Stage.check for _, cell in cells):
            launch.check_architectures([cell for _, cell in cells])
            print(f"{len(cells)} cells can be run; nothing was started.", file=sys.stderr)
            return []
        done = len(cells) - len(waiting)
        print(
            f"{len(cells)} cells, {done} of them done already, {len(waiting)} to run",
            file=sys.stderr,
        )
        launch.check_architectures([cell for _, cell in waiting])
        # Cells of one base follow one another, so that its files stay in the page cache.
        waiting.sort(key=lambda pair: pair[1].config.model.path)
        results = self.launcher.launch([words for words, _ in waiting], initial_job_idx=0)
        self._report([cell for _, cell in cells])
        return results

    def _expanded(self, arguments: list[str]) -> list[Words]:
        """Return each cell's overrides."""
        parser = OverridesParser.create(config_loader=self._loader)
        fixed, choices = [], {}
        for override in parser.parse_overrides(arguments):
            key = override.get_key_element()
            if override.is_sweep_override():
                if not override.is_discrete_sweep():
                    raise ConfigError(
                        f"{override.input_line}: a grid has choices, not intervals; "
                        "write a,b,c or range(first,last,step)"
                    )
                choices[key] = list(override.sweep_string_iterator())
            elif key.startswith("hydra"):
                continue
            else:
                fixed.append(f"{key}={override.get_value_element_as_str()}")
        named = {word.partition("=")[0].lstrip("+~") for word in fixed}
        grids = [{k: v for k, v in one.items() if k not in named} for one in self.grids]
        cells = grid.expand(grids, self.exclude, choices)
        if len(cells) > self.max_cells:
            raise ConfigError(
                f"the sweep has {len(cells)} cells, more than hydra.sweeper.max_cells="
                f"{self.max_cells}; narrow its choices or raise the limit"
            )
        return [Words(fixed, checked_words(_word(k, v) for k, v in cell.items())) for cell in cells]

    def _checked(self, overrides: list[Words]) -> list[tuple[list[str], Cell]]:
        """Return the cells without duplicates.

        Raises:
            ConfigError: the problems of all cells that cannot be run.
        """
        cells: dict[str, tuple[list[str], Cell]] = {}
        problems = []
        for words in overrides:
            try:
                composed = self._loader.load_sweep_config(self.config, words.all)
                cell = composed_cell(composed, Path(composed.hydra.runtime.cwd))
            except Exception as error:
                problems.append(f"[{' '.join(words.varied)}] {explained(error)}")
                continue
            cells.setdefault(launch.asked_name(cell), (words.all, cell))
        if problems:
            raise ConfigError(
                all_problems(
                    f"{len(problems)} of {len(overrides)} cells cannot be run; nothing was started",
                    problems,
                )
            )
        return list(cells.values())

    @property
    def _loader(self) -> Any:
        assert self.hydra_context is not None  # noqa: S101 - Hydra calls setup first
        return self.hydra_context.config_loader

    def _report(self, cells: list[Cell]) -> None:
        from tunegrid.tables.show import print_comparison, print_runs

        directories = dict.fromkeys(os.fspath(cell.directory) for cell in cells)
        runs = [RunDirectory(Path(path)) for path in directories]
        print_runs(run_rows([run for run in runs if run.has("cell.json")]), len(runs))
        print_comparison(runs)


def checked_words(words: Iterable[str]) -> list[str]:
    """Return a sweep file's words as if they stood on the command line: checked the same way."""
    return overrides.checked(list(words), project() / "conf")


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _word(name: str, value: Any) -> str:
    """Return one override; a list or mapping in Hydra's own notation."""
    if value is None:
        return f"{name}=null"
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    if isinstance(value, list):
        return f"{name}=[{','.join(str(one) for one in value)}]"
    if isinstance(value, str) and any(sign in value for sign in ",{}[]()=:"):
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"{name}='{quoted}'"
    return f"{name}={value}"
