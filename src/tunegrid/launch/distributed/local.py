"""The processes of one cell on this machine: starting them, and why one of them died.

Owns: the processes that a cell's own process starts when neither torchrun nor srun did, their
signals and their end. Part of the edge; torch is loaded by what it calls. What each of them does
is given by `tunegrid.launch.distributed.cell`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import NoReturn

from tunegrid.cells import failure, state
from tunegrid.cells.identity import Cell
from tunegrid.config.errors import StageError, Stopped, StoreError, TunegridError
from tunegrid.launch import entry, exits, starting
from tunegrid.launch.stop import StopRequest, set_inbox
from tunegrid.store.run_directory import RunDirectory
from tunegrid.training.process_group import Place

GRACE_SECONDS = 15.0
"""How long the others may take to end by themselves once one process has failed."""
Part = Callable[[Cell, Place, Callable[[], bool]], None]


class Team:
    """The processes of one cell on this machine, started by the cell's own process.

    Where there is no GPU they are forked before that process has computed anything, so that torch
    is imported already and no threads are inherited. Elsewhere they are started anew: a forked
    process cannot use CUDA.
    """

    def __init__(self, cell: Cell, stop: StopRequest, part: Part) -> None:
        self._cell = cell
        self._stop = stop
        self._part = part
        self._members: list[BaseProcess] = []
        self._receivers: list[Connection] = []
        self._failed: list[int] = []
        """The ranks of processes that failed, the first one first."""

    def run(self) -> None:
        """Start the processes and wait for them.

        Raises:
            StageError: a process died, or what a stage raised.
            ConfigError: the cell is refused.
            Stopped: the wish to stop has arrived.
        """
        directory = Path(tempfile.mkdtemp(prefix="tunegrid-"))
        self._stop.before_end = self._kill_members
        try:
            self._start(f"file://{directory}/rendezvous")
            self._watch()
            if any(member.exitcode == exits.BAD_FORK for member in self._members):
                self._end_members()
                starting.fork_no_more()
                self._start(f"file://{directory}/second-rendezvous")
                self._watch()
        finally:
            self._end_members()
            shutil.rmtree(directory, ignore_errors=True)
        self._conclude()

    def _kill_members(self) -> None:
        for member in self._members:
            member.kill()

    def _end_members(self) -> None:
        self._kill_members()
        for member in self._members:
            member.join()

    def _start(self, rendezvous: str) -> None:
        context = starting.context_of_team()
        self._members, self._receivers, self._failed = [], [], []
        threads = _threads()
        inbox, self._wishes = context.Pipe(duplex=False)
        count = self._cell.config.runtime.gpus_per_cell
        sys.stdout.flush()
        sys.stderr.flush()
        for rank in range(count):
            receiver, sender = context.Pipe(duplex=False)
            place = Place(rank, rank, count, rendezvous)
            member = context.Process(
                target=_be_member,
                args=(sender, inbox if rank == 0 else None, self._cell, place, self._part, threads),
            )
            member.start()
            sender.close()
            self._members.append(member)
            self._receivers.append(receiver)
        inbox.close()

    def _watch(self) -> None:
        """Wait for the main process; give up on it when another one dies in training."""
        leader = self._members[0]
        told, deadline = False, None
        while leader.is_alive():
            alive = [member.sentinel for member in self._members if member.is_alive()]
            connections.wait(alive, timeout=0.2)
            self._note_failed()
            if self._stop() and not told:
                told = True
                with contextlib.suppress(OSError):
                    self._wishes.send_bytes(b"stop")
            if self._failed and deadline is None and not state.is_trained(self._cell):
                deadline = monotonic() + GRACE_SECONDS
            if deadline is not None and monotonic() > deadline:
                return
        for member in self._members[1:]:
            # They ended with the training, or wait for one that will not come.
            member.join(GRACE_SECONDS if leader.exitcode == exits.DONE else 0)

    def _note_failed(self) -> None:
        """Note which processes failed; of several at once a killed one is the cause."""
        harmless = (None, exits.DONE, exits.INTERRUPTED)
        codes = [member.exitcode for member in self._members]
        new = [r for r, code in enumerate(codes) if code not in harmless and r not in self._failed]
        self._failed += sorted(new, key=lambda rank: (codes[rank] or 0) >= 0)

    def _conclude(self) -> None:
        """Raise why the main process did not come to the cell's end, if it did not.

        An error of ours in that process says what is wrong. Any other may only say that it lost a
        process that died; then what the first one to fail said counts.
        """
        leader = self._members[0].exitcode
        if leader == exits.DONE:
            return
        if leader == exits.INTERRUPTED:
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
            with run.locked():
                noted = state.of_next_stage(state.of_cell(self._cell), str(cause))
                failure.write(run, replace(noted, traceback=trace))

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


def _threads() -> int | None:
    """Return the threads this process computes in, where torch was told or loaded already."""
    torch = sys.modules.get("torch")
    return None if torch is None else torch.get_num_threads()


def _be_member(
    sender: Connection,
    inbox: Connection | None,
    cell: Cell,
    place: Place,
    part: Part,
    threads: int | None,
) -> NoReturn:
    """Do one process' part and end the process; `sender` takes the error there was."""
    # A forked process has its parent's.
    set_inbox(inbox)
    entry.refuse_bad_fork()
    if threads is not None:
        import torch

        # A process that was started anew does not know what its parent's torch was told.
        torch.set_num_threads(threads)
    stop = StopRequest()
    if place.rank == 0:
        stop.listen()
    else:
        # The main process says when to stop; killing is what ends the others sooner.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = exits.DONE
    try:
        if stop():
            raise Stopped
        part(cell, place, stop)
    except Stopped:
        code = exits.INTERRUPTED
    except TunegridError as error:
        code = exits.FAILED
        sender.send(error)
    except BaseException as error:
        code = exits.FAILED
        said = _Unexpected(f"process {place.rank}: {type(error).__name__}: {error}")
        said.add_note(traceback.format_exc())
        sender.send(said)
    sender.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
