"""A launch becomes arrays of jobs.

Owns: which cells share a job, what each job asks SLURM for, and the words for a refusal. Knows
nothing of how jobs run or end.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from tunegrid.cells import failure
from tunegrid.config import fingerprint
from tunegrid.config.choices import Device
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import source_directory
from tunegrid.launch.record import Launch
from tunegrid.launch.slurm import queue, record
from tunegrid.launch.slurm.job import Group
from tunegrid.launch.slurm.record import Submission
from tunegrid.models.bases.gpu_checks import LARGE_PARAMETERS
from tunegrid.models.bases.size import estimated_parameters

COMMON = (
    "timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name",
    "stderr_to_stdout",
)  # fmt: skip
"""What submitit calls the same on every cluster; its other names begin with `slurm_`."""
GPU_SETTINGS = ("gpus_per_node", "gpus_per_task", "gres")


def submit(launch: Launch, indices: Sequence[int], parameters: Mapping[str, Any]) -> Submission:
    """Submit cells of a launch and return their jobs; jobs.json is written as they come.

    Args:
        launch: its record is on the disk.
        indices: the cells to run.
        parameters: `hydra.launcher`, without `_target_`.

    Raises:
        ConfigError: SLURM refused; nothing is left in its queue.
    """
    queue.require()
    logs = os.path.abspath(parameters["submitit_folder"])
    submission = Submission(launch.directory, logs, {}, _earlier(launch, indices))
    limit = queue.max_array_size()
    arrays = [
        (resources, groups[start : start + limit])
        for resources, groups in divided(launch, indices, parameters)
        for start in range(0, len(groups), limit)
    ]
    shares = parallelism(int(parameters.get("array_parallelism") or 1), len(arrays))
    with queue.outside_environment():
        for (resources, groups), share in zip(arrays, shares, strict=True):
            asked = {**parameters, **resources, "array_parallelism": share}
            try:
                jobs = _submit_array(launch, groups, asked)
            except Exception as error:
                queue.cancel({job.partition("_")[0] for job in submission.jobs})
                _clear(submission)
                raise _refusal(error, sum(len(group) for group in groups)) from error
            submission = Submission(
                submission.directory,
                submission.logs,
                {**submission.jobs, **dict(zip(jobs, groups, strict=True))},
                submission.earlier,
            )
            record.write(submission)
    return submission


def divided(
    launch: Launch, indices: Sequence[int], parameters: Mapping[str, Any]
) -> list[tuple[dict[str, Any], list[tuple[int, ...]]]]:
    """Return the groups of cells that share a job, by what their jobs ask for.

    Cells of a job have one base and one quantization: they find its files in the node's cache,
    and trained ones answer with one load of it.
    """
    alike: dict[str, list[int]] = {}
    for index in indices:
        config = launch.entries[index].config
        runtime = config["runtime"]
        key = {
            "model": config["model"],
            "quantization": config["quantization"],
            "sharing": [runtime["gpus_per_cell"], runtime["cells_per_job"], runtime["parallel"]],
            "device": runtime["device"],
        }
        alike.setdefault(fingerprint.canonical_json(key), []).append(index)
    arrays: dict[str, tuple[dict[str, Any], list[tuple[int, ...]]]] = {}
    for cells in alike.values():
        runtime = launch.entries[cells[0]].config["runtime"]
        groups = _packed(launch, cells, max(1, int(runtime["cells_per_job"])))
        is_large = _is_large(launch.entries[cells[0]].config["model"])
        wanted = resources(runtime, parameters, is_large=is_large)
        _, known = arrays.setdefault(fingerprint.canonical_json(wanted), (wanted, []))
        known += groups
    return list(arrays.values())


def _packed(launch: Launch, cells: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Return cells in groups of at most `size`; those of one training are never separated.

    They write into one run directory: in jobs of their own they would wait for each other.
    """
    trainings: dict[str, list[int]] = {}
    for index in cells:
        trainings.setdefault(launch.entries[index].train_id, []).append(index)
    groups: list[tuple[int, ...]] = []
    for together in trainings.values():
        if groups and len(groups[-1]) + len(together) <= size:
            groups[-1] += tuple(together)
        else:
            groups.append(tuple(together))
    return groups


def _is_large(model: Mapping[str, Any]) -> bool:
    """Return whether a base belongs on a GPU; one whose size nothing here says may do."""
    parameters = estimated_parameters(model)
    return parameters is None or parameters > LARGE_PARAMETERS


def resources(
    runtime: Mapping[str, Any], parameters: Mapping[str, Any], *, is_large: bool
) -> dict[str, Any]:
    """Return the tasks and GPUs a job asks for besides what the user set.

    A cell starts its own processes on one node; on several, SLURM starts one a share.

    Args:
        runtime: of the cells.
        parameters: `hydra.launcher`.
        is_large: whether their base belongs on a GPU, unless `runtime.device` says otherwise.

    Raises:
        ConfigError: the user's tasks or GPUs do not go with `runtime.gpus_per_cell`.
    """
    each, nodes = int(runtime["gpus_per_cell"]), int(parameters.get("nodes") or 1)
    tasks = int(parameters.get("tasks_per_node") or 1)
    if each % nodes:
        raise ConfigError(
            f"runtime.gpus_per_cell={each} cannot be divided among hydra.launcher.nodes={nodes}; "
            "choose a multiple"
        )
    if nodes > 1 and tasks == 1:
        tasks = each // nodes
    if nodes * tasks not in (1, each):
        raise ConfigError(
            f"hydra.launcher.nodes={nodes} and tasks_per_node={tasks} would start the same cell "
            f"{nodes * tasks} times; leave tasks_per_node at 1. Several cells share a job with "
            "runtime.cells_per_job, several processes a cell with runtime.gpus_per_cell"
        )
    at_once = max(1, min(int(runtime["parallel"]), int(runtime["cells_per_job"])))
    if nodes * tasks > 1 and at_once > 1:
        raise ConfigError(
            "runtime.parallel must be 1 where SLURM starts the processes of a cell "
            f"(hydra.launcher.nodes={nodes}, tasks_per_node={tasks}); it is {at_once}"
        )
    return {"tasks_per_node": tasks} | _gpus(
        runtime, parameters, each // nodes * at_once, is_large=is_large
    )


def _gpus(
    runtime: Mapping[str, Any], parameters: Mapping[str, Any], needed: int, *, is_large: bool
) -> dict[str, Any]:
    """Return the GPUs of each node, where the user has not said how many.

    Raises:
        ConfigError: the user's number is too small.
    """
    if runtime["device"] == Device.cpu.value:
        return {}
    asks = needed > 1 or runtime["device"] == Device.cuda.value or is_large
    stated = parameters.get("gpus_per_node")
    if asks and any(_is_none(parameters.get(name)) for name in GPU_SETTINGS):
        raise ConfigError(
            "hydra.launcher asks for no GPU (gpus_per_node, gpus_per_task or gres is 0), and the "
            f"cells need {needed} on each node (runtime.device={runtime['device']}"
            + (f", a base above {LARGE_PARAMETERS:,} parameters" if is_large else "")
            + "); leave it out, or set runtime.device=cpu"
        )
    if asks and stated is not None and int(stated) < needed:
        raise ConfigError(
            f"hydra.launcher.gpus_per_node={stated} is too small: runtime.gpus_per_cell="
            f"{runtime['gpus_per_cell']}, runtime.parallel={runtime['parallel']} and "
            f"runtime.cells_per_job={runtime['cells_per_job']} need {needed} on each node"
        )
    given = any(parameters.get(name) is not None for name in GPU_SETTINGS)
    return {"gpus_per_node": needed} if asks and not given else {}


def _is_none(given: Any) -> bool:
    """Return whether a setting of the launcher asks for no GPU at all."""
    return str(given) in ("0", "gpu:0", "none")


def parallelism(total: int, arrays: int) -> list[int]:
    """Return how many tasks of each array may run at once so that their sum keeps to `total`.

    Each has at least one, so more arrays than `total` exceed it.
    """
    return [max(1, total // arrays + (number < total % arrays)) for number in range(arrays)]


def _submit_array(
    launch: Launch, groups: Sequence[tuple[int, ...]], parameters: Mapping[str, Any]
) -> list[str]:
    """Submit one array; return the names of its jobs, in the order of the groups."""
    import submitit

    executor = submitit.AutoExecutor(
        folder=parameters["submitit_folder"],
        cluster="slurm",
        slurm_max_num_timeout=int(parameters["max_num_timeout"]),
    )
    executor.update_parameters(**_words(parameters))
    delay = int(parameters["signal_delay_s"])
    jobs = executor.submit_array(
        [Group(os.path.abspath(launch.directory), group, delay) for group in groups]
    )
    return [job.job_id for job in jobs]


def _words(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings under the names that submitit gives them."""
    left = {
        name: value
        for name, value in parameters.items()
        if value is not None and name not in ("submitit_folder", "max_num_timeout")
    }
    # A cluster may forbid requeueing unless a job asks for it; without it no time-out continues.
    left["additional_parameters"] = {
        "requeue": True,
        **(left.get("additional_parameters") or {}),
    }
    left["setup"] = [*(left.get("setup") or []), *_setup()]
    return {name if name in COMMON else f"slurm_{name}": value for name, value in left.items()}


def _setup() -> list[str]:
    """Return the lines before the job's command."""
    source = source_directory()
    return [
        # A checkout that is not installed is found by the path alone.
        f"export PYTHONPATH={shlex.quote(os.fspath(source))}${{PYTHONPATH:+:$PYTHONPATH}}",
        # Since 22.05 srun does not take it over from sbatch.
        'if [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then '
        "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK; fi",
    ]


def _earlier(launch: Launch, indices: Sequence[int]) -> dict[int, int]:
    """Return when the cells that failed before wrote so, by the file server's clock."""
    found = {}
    for index in indices:
        when = failure.written_at_ns(launch.results / "runs" / launch.entries[index].train_id)
        if when is not None:
            found[index] = when
    return found


def _refusal(error: Exception, cells: int) -> ConfigError:
    said = str(error).strip() or repr(error)
    return ConfigError(
        f"SLURM refused a submission of {cells} cells, and none is in its queue:\n  "
        + said.replace("\n", "\n  ")
        + "\nSettings are hydra.launcher.partition, account, qos, timeout_min, mem_gb, "
        "cpus_per_task, gpus_per_node, additional_parameters; `sinfo` and `sacctmgr show assoc` "
        "list what the cluster accepts"
    )


def _clear(submission: Submission) -> None:
    """Remove what a refused submission left behind."""
    (submission.directory / record.JOBS).unlink(missing_ok=True)
    # submitit writes there before it knows the job's number.
    folder = Path(*takewhile(lambda part: "%" not in part, Path(submission.logs).parts))
    for pattern in ("*.pkl", ".submission_file_*.sh"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def announce(submission: Submission) -> None:
    """Say on standard error which jobs run how many cells."""
    arrays: dict[str, int] = {}
    for job, cells in submission.jobs.items():
        array = job.partition("_")[0]
        arrays[array] = arrays.get(array, 0) + len(cells)
    for array, count in arrays.items():
        tasks = sum(job.partition("_")[0] == array for job in submission.jobs)
        print(f"SLURM job {array}: {tasks} tasks, {count} cells", file=sys.stderr)
