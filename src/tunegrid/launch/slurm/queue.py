"""What SLURM says: the states of jobs, its limits, its refusals.

Owns: the commands squeue, sacct, scontrol and scancel. Knows nothing of cells.

squeue is right about jobs that live, sacct about those that ended; each lags behind the other for
seconds. A cluster without accounting has no sacct; squeue then still knows an ended job for
`MinJobAge` (300 s unless the cluster says otherwise).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tunegrid.config.errors import ConfigError

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")
ANSWER_SECONDS = 60
ENDED = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
        "PREEMPTED", "REVOKED", "TIMEOUT",
    }
)  # fmt: skip
"""States from which a job does not come back unless SLURM requeues it."""
DEFAULT_MAX_ARRAY_SIZE = 1001

# Which controller to ask; everything else that begins with SLURM_ describes the job around us.
_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_TIME_FORMAT")
_DROPPED = ("SLURM_", "SBATCH_CPU_BIND", "SBATCH_MEM_BIND", "SUBMITIT_FOLDER", "SUBMITIT_EXECUTOR")


@dataclass(frozen=True)
class Status:
    """One job, or one task of an array."""

    state: str
    """SLURM's word for it."""
    exit_code: str = ""
    """`code:signal`, empty where SLURM keeps no accounts."""
    started: bool = True
    remark: str = ""
    """Why it waits, or who cancelled it."""

    @property
    def has_ended(self) -> bool:
        """Whether SLURM will do nothing more with it."""
        return self.state in ENDED


def require() -> None:
    """Check that this machine can submit jobs.

    Raises:
        ConfigError: a command of SLURM is not on the PATH.
    """
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        raise ConfigError(
            f"hydra/launcher=slurm needs SLURM's commands, and {', '.join(missing)} "
            "is not on the PATH of this machine. Launch from a login node of the cluster, or "
            "leave hydra/launcher out to run the sweep here (runtime.parallel=n)"
        )


def is_inside_job() -> bool:
    """Return whether this process runs in a job of SLURM."""
    return "SLURM_JOB_ID" in os.environ


@contextmanager
def outside_environment() -> Iterator[None]:
    """Hide from SLURM's commands that they are called from inside a job.

    A job inherits what describes the job that submitted it, and srun refuses contradictions
    (`SLURM_MEM_PER_CPU ... are mutually exclusive`). Names such as SBATCH_ACCOUNT, a user's own
    defaults, stay.
    """
    hidden = {
        name: value
        for name, value in os.environ.items()
        if is_inside_job() and name.startswith(_DROPPED) and name not in _KEPT
    }
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def ask(jobs: Iterable[str]) -> dict[str, Status] | None:
    """Return the status of each job that SLURM still knows, or None when it does not answer.

    Args:
        jobs: as `12`, or `12_3` for a task of an array.
    """
    wanted = set(jobs)
    arrays = sorted({job.partition("_")[0] for job in wanted})
    if not arrays:
        return {}
    queued = _rows(
        "squeue", "--states=all", "--array", "--noheader",
        "--format=%i|%T||%S|%r", f"--jobs={','.join(arrays)}",
    )  # fmt: skip
    known = _statuses(queued or "", wanted)
    if all(job in known and not known[job].has_ended for job in wanted):
        return known
    accounted = _rows(
        "sacct", "--noheader", "--parsable2", "--allocations",
        "--format=JobID,State,ExitCode,Start,Reason", f"--jobs={','.join(arrays)}",
    )  # fmt: skip
    if queued is None and accounted is None:
        return None
    for job, status in _statuses(accounted or "", wanted).items():
        lives = job in known and not known[job].has_ended
        # sacct still calls running what squeue has forgotten: it is late, and asked again later.
        if queued is None or (not lives and status.has_ended):
            known[job] = status
    return known


def max_array_size() -> int:
    """Return how many tasks one array may have."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _rows("scontrol", "show", "config") or "", re.M)
    # 0 means that the cluster has no arrays; a single job is none.
    return max(1, int(found.group(1))) if found else DEFAULT_MAX_ARRAY_SIZE


def cancel(jobs: Iterable[str]) -> None:
    """Cancel jobs; those that ended already are left alone."""
    names = sorted(jobs)
    if names:
        _rows("scancel", *names)


def _rows(*command: str) -> str | None:
    """Return what a command printed; empty where it knows none of the jobs, None on failure."""
    environment = {**os.environ, "SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "standard"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands; arguments are job numbers
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return "" if "Invalid job id" in done.stderr else None
    return done.stdout


def _statuses(rows: str, wanted: set[str]) -> dict[str, Status]:
    """Return what rows of `job|state|exit code|start|reason` say about the wanted jobs."""
    found: dict[str, Status] = {}
    for row in rows.splitlines():
        fields = row.strip().split("|")
        if len(fields) < 5 or not fields[1]:
            continue
        # "CANCELLED by 1000" names the user who did it.
        word, _, by = fields[1].partition(" ")
        remark = by or (fields[4] if fields[4] not in ("None", "") else "")
        started = fields[3] not in ("", "None", "Unknown", "N/A") and word != "PENDING"
        status = Status(word.rstrip("+"), fields[2], started, remark)
        found |= dict.fromkeys(_tasks(fields[0], wanted), status)
    return found


def _tasks(name: str, wanted: set[str]) -> Iterable[str]:
    """Return the wanted jobs that SLURM's name stands for: `12`, `12_3` or `12_[0,2-5%2]`."""
    array, _, part = name.partition("_[")
    if not part:
        return {name} & wanted
    listed = part.rstrip("]").partition("%")[0]
    numbers: set[int] = set()
    for piece in listed.split(","):
        first, _, last = piece.partition("-")
        if first.isdigit():
            numbers |= set(range(int(first), int(last if last.isdigit() else first) + 1))
    return {f"{array}_{number}" for number in numbers} & wanted


def counts(statuses: Mapping[str, Status]) -> dict[str, int]:
    """Return how many jobs are in each state."""
    totals: dict[str, int] = {}
    for status in statuses.values():
        totals[status.state.lower()] = totals.get(status.state.lower(), 0) + 1
    return totals
