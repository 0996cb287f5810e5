"""The launcher `slurm`: the cells of a sweep as jobs of a cluster.

Owns: the settings under `hydra.launcher` and the border to Hydra. What a job asks for and does
stands in `tunegrid.launch.slurm`.

`from __future__ import annotations` must not stand here: Hydra reads the dataclass' types.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher

from tunegrid.config.errors import ConfigError
from tunegrid.launch.record import Launch


@dataclass
class SlurmConfig(SlurmQueueConf):
    """The settings of hydra-submitit-launcher, with defaults for cells that can be continued."""

    _target_: str = "hydra_plugins.slurm_launcher.launcher.FrozenSlurmLauncher"
    submitit_folder: str = "${hydra.sweep.dir}/slurm/%j"
    name: str = "${hydra.job.config_name}"
    timeout_min: int = 240
    """Minutes of one job; a cell that needs more continues in the next."""
    signal_delay_s: int = 120
    """Before the end of a job its cells are asked for a checkpoint so many seconds."""
    max_num_timeout: int = 1000
    """How often a job goes back into the queue when its time is over."""
    array_parallelism: int = 64
    """Jobs at once."""


ConfigStore.instance().store(group="hydra/launcher", name="slurm", node=SlurmConfig)


class FrozenSlurmLauncher(SlurmLauncher):
    """Submits cells as their launch froze them; the grid sweeper calls `launch_frozen`."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Refuse: words that are composed when a job starts may mean another cell by then."""
        raise ConfigError(
            "hydra/launcher=slurm runs what hydra/sweeper=grid has checked and frozen; leave "
            "hydra/sweeper at its default"
        )

    def launch_frozen(self, launch: Launch, indices: Sequence[int]) -> list[Any]:
        """Submit cells, wait for their jobs and return their outcomes.

        With `runtime.detach` nothing is waited for, and the list is empty.

        Args:
            launch: its record is on the disk.
            indices: of the cells to run.

        Raises:
            ConfigError: this machine has no SLURM, or SLURM refused.
            KeyboardInterrupt: the user stopped waiting; the jobs go on.
        """
        # Behind the plugin's import, which every start of the program pays for.
        from tunegrid.launch.slurm import collecting, submission

        if not indices:
            return []
        submitted = submission.submit(launch, indices, self.params)
        submission.announce(submitted)
        runtime = launch.entries[indices[0]].config["runtime"]
        is_default = launch.results == Path("results").absolute()
        where = "" if is_default else f" --results {launch.results}"
        commands = [f"tunegrid {word} {launch.sweep}{where}" for word in _NEXT]
        if runtime["detach"]:
            print(f"Submitted. Go on from any shell: {'; '.join(commands)}", file=sys.stderr)
            return []
        try:
            return list(collecting.wait(launch, submitted, fail_fast=runtime["fail_fast"]))
        except KeyboardInterrupt:
            jobs = " ".join(sorted({job.partition("_")[0] for job in submitted.jobs}))
            print(
                f"\nThe jobs go on ({os.fspath(launch.directory)}). To follow them: "
                f"{'; '.join(commands)}; to end them: scancel {jobs}",
                file=sys.stderr,
            )
            raise


_NEXT = ("status", "collect")
