"""A cell on several processes: who starts them, what each does, and how they end together.

Owns: reading the place that torchrun or srun gave this process, starting processes of its own
otherwise, and the reason when one of them dies. Part of the edge; torch is loaded by what it
calls. What the processes do together while they train is `tunegrid.training.processes`.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import NoReturn

from tunegrid import child, store
from tunegrid.errors import ConfigError, StageError, Stopped, StoreError, TunegridError
from tunegrid.identity import Cell, effective_training
from tunegrid.lock import Lock
from tunegrid.schema import Stage
from tunegrid.store import RunDirectory
from tunegrid.training import processes
from tunegrid.training.processes import Place

FIRST_PORT, PORTS = 12_000, 18_000
"""Below the ports that Linux gives to outgoing connections, so that none of those is in the way."""
GRACE_SECONDS = 15.0
"""How long the others may take to end by themselves once one process has failed."""


def run(cell: Cell, stop: child.StopRequest) -> None:
    """Run a cell on as many processes as `runtime.gpus_per_cell` says.

    Ends as `pipeline.run` does, in the process that leads and in those that torchrun or srun
    started beside it.

    Raises:
        StageError: a process died, or what a stage raised.
        ConfigError: the cell is refused, or was started by another number of processes.
        Stopped: `stop` was asked.
    """
    from tunegrid import pipeline

    place = from_environment(cell.config.runtime.gpus_per_cell, cell.train_id)
    if place is not None:
        take_part(cell, place, stop)
    elif cell.config.runtime.gpus_per_cell == 1 or not is_to_train(cell):
        pipeline.run(cell, should_stop=stop)
    else:
        Team(cell, stop).run()


def is_to_train(cell: Cell) -> bool:
    """Return whether there is something to train; all that several processes are for."""
    return (
        cell.config.peft.function is not None
        and cell.config.stage is not Stage.check
        and not RunDirectory(cell.directory).has(store.TRAINED)
    )


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
    """Do one process' part: all of the cell in the one that leads, training in the others."""
    from tunegrid import pipeline

    with processes.at(place):
        if place.rank == 0:
            pipeline.run(cell, should_stop=stop)
        elif is_to_train(cell):
            assist(cell, stop)


def assist(cell: Cell, stop: Callable[[], bool]) -> None:
    """Train along with the process that leads, writing nothing.

    Raises:
        Stopped: one of the processes was asked to stop.
        TunegridError: training failed, in all processes or in this one.
    """
    from tunegrid import pipeline
    from tunegrid.training.report import Interrupted
    from tunegrid.training.run import train
    from tunegrid.training.schedule import total_steps

    config = cell.config
    pipeline.prepare_process(config)
    run_directory = RunDirectory(cell.directory)
    models = pipeline.Models(cell, run_directory)
    examples, held_out, _ = pipeline.tokenized(config, models)
    settings = effective_training(config)
    try:
        train(
            models.attached(total_steps(len(examples.examples), settings)),
            models.tokenizer,
            examples,
            held_out if held_out.examples else None,
            settings,
            layout=config.runtime.layout,
            micro_batch_tokens=config.runtime.micro_batch_tokens,
            gradient_checkpointing=config.runtime.gradient_checkpointing,
            seed=config.seed,
            checkpoint_directory=run_directory.checkpoints,
            on_record=lambda record: None,
            on_resume=lambda step: None,
            should_stop=stop,
            progress=False,
        )
    except Interrupted as interruption:
        raise Stopped from interruption


class Team:
    """The processes of one cell on this machine, started by the cell's own process.

    They are forked before that process has computed anything, so that torch is imported already
    and neither threads nor a GPU's context are inherited.
    """

    def __init__(self, cell: Cell, stop: child.StopRequest) -> None:
        self._cell = cell
        self._stop = stop
        self._members: list[ForkProcess] = []
        self._receivers: list[Connection] = []
        self._failed: list[int] = []
        """The ranks of processes that failed, the first one first."""

    def run(self) -> None:
        """Start the processes and wait for them; raises what `run` does."""
        directory = Path(tempfile.mkdtemp(prefix="tunegrid-"))
        try:
            with self._stopped_at_once_when_asked_twice():
                self._start(f"file://{directory}/rendezvous")
                self._watch()
        finally:
            for member in self._members:
                member.kill()
                member.join()
            shutil.rmtree(directory, ignore_errors=True)
        self._conclude()

    def _start(self, rendezvous: str) -> None:
        context = multiprocessing.get_context("fork")
        count = self._cell.config.runtime.gpus_per_cell
        sys.stdout.flush()
        sys.stderr.flush()
        for rank in range(count):
            receiver, sender = context.Pipe(duplex=False)
            place = Place(rank, rank, count, rendezvous)
            member = context.Process(target=_be_member, args=(sender, self._cell, place))
            member.start()
            sender.close()
            self._members.append(member)
            self._receivers.append(receiver)

    def _watch(self) -> None:
        """Wait for the process that leads; give up on it when another one dies in training."""
        leader = self._members[0]
        told, deadline = False, None
        while leader.is_alive():
            alive = [member.sentinel for member in self._members if member.is_alive()]
            connections.wait(alive, timeout=0.2)
            self._note_failed()
            if self._stop() and not told and leader.pid is not None:
                told = True
                os.kill(leader.pid, signal.SIGINT)
            if self._failed and deadline is None and is_to_train(self._cell):
                deadline = monotonic() + GRACE_SECONDS
            if deadline is not None and monotonic() > deadline:
                return
        for member in self._members[1:]:
            # They ended with the training, or wait for one that will not come.
            member.join(GRACE_SECONDS if leader.exitcode == child.DONE else 0)

    def _note_failed(self) -> None:
        """Note which processes failed; of several at once a killed one is the cause."""
        harmless = (None, child.DONE, child.INTERRUPTED)
        codes = [member.exitcode for member in self._members]
        new = [r for r, code in enumerate(codes) if code not in harmless and r not in self._failed]
        self._failed += sorted(new, key=lambda rank: (codes[rank] or 0) >= 0)

    @contextlib.contextmanager
    def _stopped_at_once_when_asked_twice(self) -> Iterator[None]:
        def handle(number: int, frame: FrameType | None) -> None:
            if self._stop():
                for member in self._members:
                    member.kill()
                os._exit(child.INTERRUPTED)
            self._stop.asked = True

        previous = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _conclude(self) -> None:
        """Raise why the process that leads did not come to the cell's end, if it did not.

        An error of ours in that process says what is wrong. Any other may only say that it lost a
        process that died; then what the first one to fail said counts.
        """
        leader = self._members[0].exitcode
        if leader == child.DONE:
            return
        if leader == child.INTERRUPTED:
            raise Stopped
        said = self._error(0)
        if said is not None and not isinstance(said, _Unexpected):
            raise said
        first = self._failed[0] if self._failed else 0
        if first == 0 and said is not None:
            raise said
        cause = self._error(first) or self._ended(first)
        self._note(cause)
        raise cause

    def _note(self, cause: TunegridError) -> None:
        """Write failed.json, under the lock that the process that led has left behind."""
        run = RunDirectory(self._cell.directory)
        trace = "\n".join(getattr(cause, "__notes__", []))
        # Where another launch has the cell already, or the disk is full, the cause is still shown.
        with contextlib.suppress(StoreError):
            run.create()
            with Lock(run.path / store.LOCK):
                run.write(store.FAILED, {"stage": "train", "error": str(cause), "traceback": trace})

    def _error(self, rank: int) -> TunegridError | None:
        """Return what a process said last, or None when it could say nothing."""
        try:
            said = self._receivers[rank].recv() if self._receivers[rank].poll() else None
        except (EOFError, OSError):
            return None
        return said if isinstance(said, TunegridError) else None

    def _ended(self, rank: int) -> StageError:
        code = self._members[rank].exitcode or 0
        count = len(self._members)
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            how += (
                ", which is how a system short of memory ends a process: lower "
                "runtime.micro_batch_tokens or choose quantization=int8 or nf4"
            )
        return StageError(f"process {rank} of the {count} that train the cell {how}")


class _Unexpected(StageError):
    """An error that is none of ours, with its traceback."""


def _be_member(sender: Connection, cell: Cell, place: Place) -> NoReturn:
    """Do one process' part and end the process; `sender` takes the error there was."""
    stop = child.StopRequest()
    if place.rank == 0:
        stop.listen()
    else:
        # The process that leads says when to stop; killing is what ends the others sooner.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = child.DONE
    try:
        take_part(cell, place, stop)
    except Stopped:
        code = child.INTERRUPTED
    except TunegridError as error:
        code = child.FAILED
        sender.send(error)
    except BaseException as error:
        code = child.FAILED
        said = _Unexpected(f"process {place.rank}: {type(error).__name__}: {error}")
        said.add_note(traceback.format_exc())
        sender.send(said)
    sender.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def follows(cells: Sequence[Cell], parallel: int = 1) -> bool:
    """Return whether torchrun or srun started this process beside one that leads.

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
    """Return what keeps Hydra from writing where the process that leads does.

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
