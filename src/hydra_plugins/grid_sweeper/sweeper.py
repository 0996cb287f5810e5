"""The sweeper `grid`: expands a sweep, checks every cell, then runs what is not done.

Owns: the border to Hydra's sweeps. How cells are made and run stands in `tunegrid.launch.sweep`.

`from __future__ import annotations` must not stand here: Hydra reads the dataclass' types.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from tunegrid.cli import run
from tunegrid.cli.run import note_exit_code, project
from tunegrid.config.choices import Retry, Stage
from tunegrid.config.compose.composer import Composer
from tunegrid.config.compose.sweep_file import CellOverrides, expanded
from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.launch import migrate, processes
from tunegrid.launch import sweep as order
from tunegrid.launch.outcomes import FAILED, INTERRUPTED, NOT_STARTED, REFUSED, exit_code
from tunegrid.launch.sweep_cells import (
    PLAN_OF_ALL,
    Collector,
    Members,
    places_of,
    planned,
    sweep_of,
)
from tunegrid.store import lock

LAUNCHERS_HERE = ("basic", "joblib", "submitit_local")
"""Hydra's launchers that run cells on this machine."""


@dataclass
class GridSweeperConfig:
    """What a sweep file sets under `hydra.sweeper`."""

    _target_: str = "hydra_plugins.grid_sweeper.sweeper.GridSweeper"
    grids: list[Any] = field(default_factory=list)
    """Each maps settings and groups to choices; the sweep is the union of their products."""
    exclude: list[Any] = field(default_factory=list)
    """Each maps settings to values; cells that agree with all of them are left out."""
    include: list[str] = field(default_factory=list)
    """Further sweep files whose cells belong to this one, each with that file's own settings."""
    tables: list[Any] = field(default_factory=list)
    """What `tunegrid tables` makes of the cells; launching looks at none of it."""


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConfig)


class GridSweeper(Sweeper):
    """Runs the cells of a sweep through the launcher, in the order of their bases."""

    def __init__(
        self, grids: list[Any], exclude: list[Any], include: list[str], tables: list[Any]
    ) -> None:
        # What they say is read from the composed configuration, as for included sweeps.
        self.hydra_context: Any = None
        self.config: Any = None
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
        loader = self.hydra_context.config_loader
        words = expanded(
            sweep_of(self.config),
            arguments,
            loader,
            places_of(self.config),
            project() / "conf",
            self.config.runtime.max_cells,
        )
        composer = Composer(loader, self.config)
        collector = Collector(composer, project(), Path(self.config.hydra.runtime.cwd))
        first = composer.compose(words[0].fixed, words[0].varied)
        if first.stage is Stage.plan:
            self._plan(collector, words)
            return []
        return self._run(collector.runnable(words))

    def _run(self, members: Members) -> Any:
        stages = {member.cell.config.stage for member in members.cells}
        every = [member.cell for member in members.cells]
        if stages == {Stage.check}:
            processes.check_architectures(every, elsewhere=self._runs_elsewhere())
            order.say(f"{len(every)} cells can be run; nothing was started.")
            return []
        one = order.settings(members.cells)
        is_local = type(self.launcher) is BasicLauncher
        order.refuse_impossible(one, [cell.config for cell in every], is_local)
        migrate.refuse_older(Path(one.results))
        try:
            lock.check_place(Path(one.results))
            parts = order.split(members.cells, one.retry)
        except StoreError as error:
            # Nothing was started: to the user this is a refusal.
            raise ConfigError(str(error)) from error
        order.say(
            f"{order.counted(members)}, {len(parts.done)} of them done already, "
            f"{len(parts.waiting)} to run"
        )
        if not parts.waiting and not parts.kept_failed:
            note_exit_code(run.report(members.cells))
            return []
        processes.check_architectures(
            [member.cell for member in parts.waiting], elsewhere=self._runs_elsewhere()
        )
        if one.retry is Retry.all:
            order.set_aside(parts.waiting)
        return self._launched(members, parts, one, is_local)

    def _runs_elsewhere(self) -> bool:
        """Return whether the launcher hands the cells to other machines, with other devices."""
        launcher = str(self.config.hydra.runtime.choices.get("hydra/launcher", "basic"))
        return launcher not in LAUNCHERS_HERE

    def _launched(self, members: Members, parts: order.Split, one: Any, is_local: bool) -> Any:
        hydra = self.config.hydra
        listed = [*parts.waiting, *parts.kept_failed, *parts.done]
        launcher = str(hydra.runtime.choices.get("hydra/launcher", "basic"))
        written = order.record(Path(hydra.sweep.dir), hydra.job.config_name, launcher, listed)
        run_frozen = getattr(self.launcher, "launch_frozen", None)
        if is_local or run_frozen is not None:
            tables = run.TablesAsCellsEnd(Path(one.results))
            outcomes = order.run(parts, one, written, run_frozen, tables)
            results: Any = []
        else:
            try:
                results = self.launcher.launch(
                    [member.words.all for member in parts.waiting], initial_job_idx=0
                )
            except Exception as error:
                # A job that died hides the others' results behind its error; they are on the disk.
                order.say(f"the launcher {launcher} ended with {type(error).__name__}: {error}")
                results = []
            outcomes = order.from_disk([*parts.waiting, *parts.kept_failed])
        if one.detach:
            return results
        outcomes = order.still_there(parts.waiting, outcomes)
        note_exit_code(exit_code(outcomes))
        if all(member.cell.config.stage is not Stage.probe for member in members.cells):
            note_exit_code(run.report(members.cells))
        for outcome in outcomes:
            if outcome.state == REFUSED:
                order.say(f"{outcome.train_id}: {outcome.reason}")
            elif outcome.state == FAILED:
                # The table folds its remarks; here each is whole and can be searched for.
                order.say(f"{outcome.train_id} {FAILED}: {outcome.first_line}")
        is_anew = one.retry is Retry.all
        if any(outcome.state in (INTERRUPTED, NOT_STARTED) for outcome in outcomes):
            order.say(
                "Stopped. Nothing is lost but the steps since the last checkpoints; the same "
                "command continues"
                + (", without runtime.retry=all, which begins anew." if is_anew else ".")
            )
        return results

    def _plan(self, collector: Collector, words: list[CellOverrides]) -> None:
        from tunegrid.cli.run import print_plan
        from tunegrid.plan.planning import plan

        drafts = collector.drafts(words)
        if any(member.cell.config.stage is not Stage.plan for member, _ in drafts):
            raise ConfigError(PLAN_OF_ALL)
        print_plan(plan(planned(drafts)))
