"""Notes of a run on itself: who worked on it, and how a stage failed.

Owns: attempts.jsonl and failed.json.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager

from tunegrid.cells import failure
from tunegrid.cells.requests import EvaluationRequest
from tunegrid.config.errors import StageError, Stopped
from tunegrid.models.memory_errors import is_out_of_memory
from tunegrid.store import run_files
from tunegrid.store.lock import LockLost
from tunegrid.store.run_directory import RunDirectory


def note_attempt(run_directory: RunDirectory, what: str) -> None:
    """Add a line to attempts.jsonl: who did what when, so that nothing is done twice unseen."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    lock = run_directory.lock
    run_directory.append_line(
        run_files.ATTEMPTS,
        {
            "time": now,
            "what": what,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "token": None if lock is None else lock.token,
        },
    )


@contextlib.contextmanager
def noting_failure(
    run_directory: RunDirectory,
    name: str,
    *,
    benchmark: str = "",
    prediction_id: str = "",
    score_id: str = "",
) -> Iterator[None]:
    """Note in failed.json how a stage failed; remove the note when it succeeds.

    Args:
        run_directory: the run, whose lock is held.
        name: the stage's.
        benchmark: of an evaluation.
        prediction_id: of an evaluation.
        score_id: of a scoring; empty for answers.
    """
    try:
        yield
    except (Stopped, LockLost):
        # Of a run that is another's by now nothing is said.
        raise
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        is_memory = is_out_of_memory(error)
        noted = failure.Failure(
            stage=name,
            error=f"out of memory: {text}" if is_memory else text,
            benchmark=benchmark,
            prediction_id=prediction_id,
            score_id=score_id,
            traceback=traceback.format_exc(),
        )
        # With a full disk this cannot be written either; the error itself is still shown.
        with contextlib.suppress(Exception):
            failure.write(run_directory, noted)
        if is_memory:
            raise StageError(
                f"{name}: out of memory. Lower runtime.micro_batch_tokens "
                "(training) or runtime.generation_batch_tokens (evaluation), or choose "
                "quantization=int8 or nf4; neither of the first two changes the cell's identity"
            ) from error
        raise
    failure.clear_stage(run_directory, name, benchmark)


def answering(
    run_directory: RunDirectory, asked: EvaluationRequest
) -> AbstractContextManager[None]:
    """Note how answers failed, which concerns every scoring of them."""
    return noting_failure(
        run_directory,
        f"predict {asked.name}",
        benchmark=asked.name,
        prediction_id=asked.prediction_id,
    )


def scoring(run_directory: RunDirectory, asked: EvaluationRequest) -> AbstractContextManager[None]:
    """Note how a scoring failed."""
    return noting_failure(
        run_directory,
        f"score {asked.name}",
        benchmark=asked.name,
        prediction_id=asked.prediction_id,
        score_id=asked.score_id,
    )


def harness(run_directory: RunDirectory, score_id: str) -> AbstractContextManager[None]:
    """Note how lm-evaluation-harness failed."""
    name = failure.HARNESS
    return noting_failure(run_directory, name, benchmark=name, score_id=score_id)
