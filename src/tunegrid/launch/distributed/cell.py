"""A cell on several processes: who starts them, and what each of them does.

Owns: reading the place that torchrun or srun gave this process, and each process' part. Part of
the edge; torch is loaded by what it calls. Processes of its own are `local`; what all do
together while they train is `tunegrid.training.process_group`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tunegrid.cells import state
from tunegrid.cells.identity import Cell
from tunegrid.config.choices import Sharding, Stage
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig
from tunegrid.launch.distributed.local import Team
from tunegrid.launch.stop import StopRequest
from tunegrid.store.run_directory import RunDirectory
from tunegrid.training import process_group
from tunegrid.training.process_group import Place

FIRST_PORT, PORTS = 12_000, 18_000
"""Below the ports that Linux gives to outgoing connections, so that none of those is in the way."""


def run(cell: Cell, stop: StopRequest) -> None:
    """Run a cell on as many processes as `runtime.gpus_per_cell` says.

    Ends as `pipeline.run` does, in the main process and in those that torchrun or srun
    started beside it.

    Raises:
        StageError: a process died, or what a stage raised.
        ConfigError: the cell is refused, or was started by another number of processes.
        Stopped: `stop` was asked.
    """
    from tunegrid.cells import pipeline

    place = from_environment(cell.config.runtime.gpus_per_cell, cell.train_id)
    if place is not None:
        take_part(cell, place, stop)
    elif cell.config.runtime.gpus_per_cell == 1 or not is_to_train(cell):
        pipeline.run(cell, should_stop=stop)
    else:
        Team(cell, stop, take_part).run()


def is_to_train(cell: Cell) -> bool:
    """Return whether there is something to train; all that several processes are for."""
    return (
        cell.config.peft.function is not None
        and cell.config.stage in (Stage.all, Stage.train)
        and not state.is_trained(cell)
    )


def is_placed(config: CellConfig) -> bool:
    """Return whether torchrun or srun started this process as one of several."""
    return _given(config.runtime.gpus_per_cell, os.environ) is not None


def from_environment(
    wanted: int, name: str = "", environment: Mapping[str, str] = os.environ
) -> Place | None:
    """Return the place that torchrun or srun gave to this process; None where neither did.

    Variables of SLURM count only for a cell on several processes, inside a job step with just as
    many tasks: a sweep that is started within an allocation has them, too.

    Args:
        wanted: `runtime.gpus_per_cell`.
        name: of the cell; cells of one job step meet at different ports.
        environment: the variables.

    Raises:
        ConfigError: torchrun started another number of processes.
    """
    given = _given(wanted, environment)
    if given is None:
        return None
    source, rank, local_rank = given
    address = "env://" if source == "torchrun" else _address(environment, name)
    return Place(rank, local_rank, wanted, address, source)


def _given(wanted: int, environment: Mapping[str, str]) -> tuple[str, int, int] | None:
    """Return who started this process, its rank and its rank on its machine, or None."""
    started = int(environment.get("WORLD_SIZE", "1"))
    if "RANK" in environment and "LOCAL_RANK" in environment and started > 1:
        if started != wanted:
            raise ConfigError(
                f"runtime.gpus_per_cell is {wanted}, but torchrun (WORLD_SIZE in the environment) "
                f"started {started} processes; set runtime.gpus_per_cell={started}, start "
                f"{wanted}, or start run.py without torchrun: it starts the processes itself"
            )
        return "torchrun", int(environment["RANK"]), int(environment["LOCAL_RANK"])
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS") or environment.get("SLURM_NTASKS") or "1")
    if wanted > 1 and tasks == wanted and "SLURM_STEP_ID" in environment:
        return "srun", int(environment["SLURM_PROCID"]), int(environment["SLURM_LOCALID"])
    return None


def _address(environment: Mapping[str, str], name: str) -> str:
    """Return where the tasks of a job step meet: a port of the first one's machine."""
    step = f"{environment['SLURM_JOB_ID']}.{environment['SLURM_STEP_ID']}"
    derived = FIRST_PORT + zlib.crc32(f"{step} {name}".encode()) % PORTS
    port = environment.get("MASTER_PORT", str(derived))
    host = environment.get("MASTER_ADDR") or _first_host(environment)
    return f"tcp://{host}:{port}"


def _first_host(environment: Mapping[str, str]) -> str:
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    count = environment.get("SLURM_STEP_NUM_NODES") or environment.get("SLURM_JOB_NUM_NODES")
    if count == "1" or not nodes:
        return "127.0.0.1"
    try:
        listed = subprocess.run(  # noqa: S603
            ["scontrol", "show", "hostnames", nodes],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return listed.stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise ConfigError(
            f"the first machine of the job step ({nodes}) cannot be found, because `scontrol show "
            f"hostnames` failed ({error}); set MASTER_ADDR to its name"
        ) from error


def take_part(cell: Cell, place: Place, stop: Callable[[], bool]) -> None:
    """Do one process' part: all of the cell in the main process, training in the others."""
    from tunegrid.cells import pipeline

    divides = cell.config.runtime.sharding is Sharding.fsdp
    with process_group.at(replace(place, divides_weights=divides)):
        if place.rank == 0:
            pipeline.run(cell, should_stop=stop)
        elif is_to_train(cell):
            assist(cell, stop)


def assist(cell: Cell, stop: Callable[[], bool]) -> None:
    """Train along with the main process, writing nothing.

    Raises:
        Stopped: one of the processes was asked to stop.
        TunegridError: training failed, in all processes or in this one.
    """
    from tunegrid.cells import libraries, pipeline
    from tunegrid.cells.stages import train
    from tunegrid.training.schedule import total_steps

    config = cell.config
    libraries.prepare_process(config)
    models = pipeline.Models(cell, RunDirectory(cell.directory))
    examples, held_out, _ = train.tokenized(config, models)
    steps = total_steps(len(examples.examples), cell.training)
    train.carry_out(
        cell,
        models.attached(steps),
        models,
        (examples, held_out),
        on_record=lambda record: None,
        on_resume=lambda step: None,
        should_stop=stop,
        progress=False,
    )


def follows(cells: Sequence[Cell], parallel: int = 1) -> bool:
    """Return whether torchrun or srun started this process beside a main process.

    Such a process trains along, and neither writes nor prints.

    Args:
        cells: what all the processes are about to run, one after another.
        parallel: how many of them at once.

    Raises:
        ConfigError: the processes do not fit the cells, or several cells would run at once.
    """
    given = [_given(one.config.runtime.gpus_per_cell, os.environ) for one in cells]
    if parallel > 1 and any(one is not None for one in given):
        raise ConfigError(
            f"runtime.parallel={parallel} cells cannot share the processes that torchrun or srun "
            "started; set runtime.parallel=1, or start run.py alone: it starts the processes"
        )
    return any(one is not None and one[1] > 0 for one in given)


def own_directories() -> list[str]:
    """Return what keeps Hydra from writing where the main process does.

    It is asked before anything was composed, so it looks at the number alone that torchrun or
    srun gave.
    """
    rank = os.environ.get("RANK") if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None
    if rank is None and int(os.environ.get("SLURM_STEP_NUM_TASKS") or "1") > 1:
        rank = os.environ.get("SLURM_PROCID")
    if rank is None or int(rank) == 0:
        return []
    directory = tempfile.mkdtemp(prefix="tunegrid-follows-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return [f"hydra.run.dir={directory}", f"hydra.sweep.dir={directory}"]
