"""Which job runs which cells: written when a launch is submitted, read by whoever collects it.

Owns: `jobs.json` beside a launch's cells.json, and `outcomes/`, one file a cell, written by the job
that ran it. Knows nothing of SLURM's commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, StoreError
from tunegrid.launch import record as launches
from tunegrid.launch.record import Launch
from tunegrid.store import json_files

FORMAT = 1
JOBS = "jobs.json"
OUTCOMES = "outcomes"


@dataclass(frozen=True)
class Submission:
    """The jobs of a launch."""

    directory: Path
    """The launch's."""
    logs: str
    """The directory of a job's logs, with %j in place of the job."""
    jobs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Of each job the numbers of its cells in cells.json."""
    earlier: Mapping[int, int] = field(default_factory=dict)
    """Cells that had failed before, with the time stamp of that failed.json in nanoseconds."""

    def log(self, job: str, stream: str = "err") -> Path:
        """Return the log of a job: what it wrote to standard error (`err`) or output (`out`)."""
        array, _, task = job.partition("_")
        folder = self.logs.replace("%j", job).replace("%A", array).replace("%a", task)
        return Path(folder.replace("%t", "0")) / f"{job}_0_log.{stream}"


def write(submission: Submission) -> None:
    """Write jobs.json, replacing an earlier state of the same submission."""
    json_files.write_text(
        submission.directory / JOBS,
        json_files.json_line(
            {
                "format": FORMAT,
                "logs": submission.logs,
                "jobs": submission.jobs,
                "earlier": submission.earlier,
            }
        ),
    )


def read(directory: Path) -> Submission:
    """Return the jobs of the launch in `directory`.

    Raises:
        StoreError: there are none, or the file is damaged or of a newer version.
    """
    path = directory / JOBS
    record = json_files.read_json(path)
    try:
        if record["format"] != FORMAT:
            raise StoreError(
                f"{path} has format {record['format']}; this version knows {FORMAT}. Collect it "
                "with the version that launched it"
            )
        return Submission(
            directory=directory,
            logs=record["logs"],
            jobs={job: tuple(cells) for job, cells in record["jobs"].items()},
            earlier={int(index): stamp for index, stamp in record["earlier"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"{path} is damaged: {error!r}; launch the sweep again, what is finished is kept"
        ) from error


def latest(results: Path, sweep: str | None) -> Launch:
    """Return the latest launch on SLURM, of one sweep or of any.

    Raises:
        ConfigError: there is none.
        StoreError: its record cannot be read.
    """
    launch = launches.latest(results, sweep)
    for directory in reversed(launches.all_of(results)):
        if (directory / JOBS).exists() and sweep in (None, directory.parent.name):
            return launches.read(directory)
    what = "no sweep" if sweep is None else f"no launch of {sweep!r}"
    raise ConfigError(
        f"{what} under {results / 'launches'} was submitted to SLURM (the latest, "
        f"{launch.directory}, ran with hydra/launcher={launch.launcher}); submit one with "
        "hydra/launcher=slurm, or see `tunegrid status`"
    )


def write_outcome(directory: Path, index: int, state: str, reason: str, job: str) -> None:
    """Note how a cell ended; of one cell only the job that runs it writes."""
    json_files.write_text(
        directory / OUTCOMES / f"{index}.json",
        json_files.json_line({"state": state, "reason": reason, "job": job}),
    )


def read_outcome(directory: Path, index: int) -> tuple[str, str] | None:
    """Return how a cell ended and why, or None when its job has not said so."""
    path = directory / OUTCOMES / f"{index}.json"
    if not path.exists():
        return None
    record: Any = json_files.read_json(path)
    return str(record["state"]), str(record["reason"])
