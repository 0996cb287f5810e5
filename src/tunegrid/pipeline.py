"""The order of a cell's stages: check, data, train, predict, score, results.

Owns: what is done when, what is skipped because its file exists, and all writing (through
`store`). Each step reads the files of the steps before it; nothing goes back. torch is loaded
by what it calls, not by importing it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from tunegrid import (
    answering,
    evaluation,
    gates,
    harness_stage,
    mixture,
    predicting,
    preflight,
    prompts,
    provenance,
    scoring,
    store,
)
from tunegrid.errors import (
    ConfigError,
    DataError,
    Incomplete,
    StageError,
    Stopped,
    StoreError,
    all_problems,
)
from tunegrid.evaluation import Asked
from tunegrid.identity import Cell, effective_training
from tunegrid.lock import Lock
from tunegrid.models import Models
from tunegrid.plan import probing
from tunegrid.schema import CellConfig, Stage
from tunegrid.store import RunDirectory
from tunegrid.tracking import Tracker
from tunegrid.training import processes

ShouldStop = Callable[[], bool]


def is_finished(cell: Cell) -> bool:
    """Return whether everything the cell asks for is on the disk; loads no torch.

    What another cell of the same training was asked, last or with a failure, does not matter.
    """
    run = RunDirectory(cell.directory)
    if not _is_trained(cell, run) or not _is_settled(run):
        return False
    wanted = [asked.score_id for asked in asked_of(cell)]
    if cell.config.stage is not Stage.train and cell.config.eval.tasks:
        wanted.append(harness_stage.score_id(cell))
    if not wanted and run.has(store.FAILED):
        return False
    return all(scoring.is_complete(run, name) for name in wanted)


def _is_settled(run: RunDirectory) -> bool:
    """Return whether the last command on the run came to an end, good or bad.

    Without one, a process was ended between a score and the end; running again costs a moment.
    """
    if run.has(store.RESULTS):
        return store.finished_scores(run) is not None
    # Another cell of the same training failed, or its judge left items without a score.
    return run.has(store.FAILED) or scoring.has_incomplete(run)


def run(cell: Cell, should_stop: ShouldStop) -> None:
    """Bring a cell to its end, or as far as its `stage` says.

    Raises:
        ConfigError: a check refused it; nothing was started.
        TunegridError: a stage ended without its result; failed.json says which.
        Stopped: `should_stop` became true.
    """
    config = cell.config
    if config.stage is Stage.plan:
        raise ConfigError("a cell with stage=plan is planned and never run")
    prepare_process(config)
    problems = preflight.architecture_problems(config)
    if problems:
        raise ConfigError(all_problems("the cell cannot be run", problems))
    asked = asked_of(cell)
    if config.stage is Stage.check:
        return
    run_directory = RunDirectory(cell.directory)
    if config.stage is Stage.probe:
        probing.probe(cell, Models(cell, run_directory), mixture_of, should_stop)
        return
    newer = store.newer_format(run_directory)
    if newer is not None:
        raise StoreError(newer)
    run_directory.create()
    with Lock(run_directory.path / store.LOCK):
        run_directory.remove(store.RESULTS)
        run_directory.write(store.CELL, cell.record())
        _note_attempt(run_directory, "begins")
        models = Models(cell, run_directory)
        if not _is_trained(cell, run_directory):
            with noting_failure(run_directory, "train"):
                _train(cell, run_directory, models, should_stop)
        incomplete = []
        for one in asked:
            with noting_failure(run_directory, f"predict {one.name}"):
                predicting.predict(cell, run_directory, one, models, should_stop)
            with noting_failure(run_directory, f"score {one.name}"):
                summary = scoring.score(cell, run_directory, one, should_stop)
            if summary["incomplete"]:
                incomplete.append(scoring.incomplete_message(summary))
        scored = [one.score_id for one in asked]
        if config.stage is not Stage.train and config.eval.tasks:
            with noting_failure(run_directory, "lm_eval"):
                scored.append(harness_stage.run(cell, run_directory, models))
        if incomplete:
            # Without results.json the cell counts as incomplete, and is not failed either.
            raise Incomplete("\n".join(incomplete))
        run_directory.write(store.RESULTS, {"scores": scored})
        # A note of a process that was killed belongs to no stage that could remove it.
        run_directory.remove(store.FAILED)


def _note_attempt(run_directory: RunDirectory, what: str) -> None:
    """Add a line to attempts.jsonl: who did what when, so that nothing is done twice unseen."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    run_directory.append_line(
        store.ATTEMPTS,
        {"time": now, "what": what, "host": socket.gethostname(), "pid": os.getpid()},
    )


def prepare_process(config: CellConfig) -> None:
    """Set the process up once: threads, quiet libraries."""
    import torch

    if config.runtime.threads is not None:
        torch.set_num_threads(config.runtime.threads)
    quieten_libraries()


def quieten_libraries() -> None:
    """Have libraries say nothing that a user could not act on."""
    import logging
    import threading
    import warnings

    import transformers
    from tqdm import tqdm

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # peft still asks for the old name of activation checkpointing, at every use.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    # The default lock is shared between processes and would outlive this one.
    tqdm.set_lock(threading.RLock())
    # Says once a layer and forward pass that int8 casts its inputs.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)


def asked_of(cell: Cell) -> list[Asked]:
    """Return the benchmarks that a cell's stage asks for."""
    return [] if cell.config.stage is Stage.train else evaluation.asked(cell)


def _is_trained(cell: Cell, run_directory: RunDirectory) -> bool:
    return cell.config.peft.function is None or run_directory.has(store.TRAINED)


@contextlib.contextmanager
def noting_failure(run_directory: RunDirectory, name: str) -> Iterator[None]:
    """Note in failed.json how a stage failed; remove the note when it succeeds."""
    try:
        yield
    except Stopped:
        raise
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        is_memory = _is_out_of_memory(error)
        failure = {
            "stage": name,
            "error": f"out of memory: {text}" if is_memory else text,
            "traceback": traceback.format_exc(),
        }
        # With a full disk this cannot be written either; the error itself is still shown.
        with contextlib.suppress(Exception):
            run_directory.write(store.FAILED, failure)
        if is_memory:
            raise StageError(
                f"{name}: out of memory. Lower runtime.micro_batch_tokens "
                "(training) or runtime.generation_batch_tokens (evaluation), or choose "
                "quantization=int8 or nf4; neither of the first two changes the cell's identity"
            ) from error
        raise
    run_directory.remove(store.FAILED)


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on a device or in the process.

    torch has a class for devices alone; its allocator on CPUs raises a RuntimeError.
    """
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate" in str(error)
    )


def carry_out(
    cell: Cell,
    attached: Any,
    models: Models,
    sets: tuple[Any, Any],
    *,
    on_record: Callable[[Mapping[str, Any]], None],
    on_resume: Callable[[int], None],
    should_stop: ShouldStop,
    progress: bool,
) -> Any:
    """Train a cell's attached method as its settings say, and return the report.

    Args:
        cell: names the settings, and the directory of the checkpoints.
        attached: the method, on the base.
        models: gives the tokenizer.
        sets: training and validation examples, as `tokenized` returns them.
        on_record: see `tunegrid.training.run.train`, as the next three.
        on_resume: called with the step that training goes on from.
        should_stop: asked after each step.
        progress: whether to show a bar.

    Raises:
        Stopped: `should_stop` became true; a checkpoint is saved.
    """
    from tunegrid.training.report import Interrupted
    from tunegrid.training.run import train

    runtime = cell.config.runtime
    examples, held_out = sets
    try:
        return train(
            attached,
            models.tokenizer,
            examples,
            held_out if held_out.examples else None,
            effective_training(cell.config),
            layout=runtime.layout,
            micro_batch_tokens=runtime.micro_batch_tokens,
            gradient_checkpointing=runtime.gradient_checkpointing,
            seed=cell.config.seed,
            checkpoint_directory=RunDirectory(cell.directory).checkpoints,
            on_record=on_record,
            on_resume=on_resume,
            should_stop=should_stop,
            progress=progress,
        )
    except Interrupted as interruption:
        raise Stopped from interruption


def _train(
    cell: Cell, run_directory: RunDirectory, models: Models, should_stop: ShouldStop
) -> None:
    """Data, tokens, training; writes data.json, train.jsonl, adapter/ and, last, train.json."""
    from tunegrid.methods.attached import export
    from tunegrid.methods.counts import count
    from tunegrid.training.schedule import total_steps

    config = cell.config
    run_directory.write(store.PROVENANCE, provenance.collect(cell.project))
    examples, held_out, manifest = tokenized(config, models)
    run_directory.write(store.DATA, manifest)
    settings = effective_training(config)
    attached = models.attached(total_steps(len(examples.examples), settings))
    counts = count(attached.model)
    with Tracker(config.logging, cell, run_directory.path) as tracker:

        def record(values: Mapping[str, Any]) -> None:
            run_directory.append_line(store.CURVE, values)
            tracker.log(values)

        def resumed(step: int) -> None:
            run_directory.drop_lines_after(store.CURVE, "step", step)

        report = carry_out(
            cell,
            attached,
            models,
            (examples, held_out),
            on_record=record,
            on_resume=resumed,
            should_stop=should_stop,
            progress=config.runtime.progress,
        )
        facts = asdict(report) | {
            "trainable_parameters": counts.trainable,
            "total_parameters": counts.total,
            "examples": len(examples.examples),
            "truncated": examples.truncated_count,
        }
        facts["suspect"] = gates.training_reasons(facts)
        tracker.summarize(facts)
    with run_directory.replaced_directory(store.ADAPTER) as directory:
        export(attached.model, directory)
    run_directory.write(store.TRAINED, facts)
    _note_attempt(run_directory, "trained")
    # A model that was trained in parts cannot compute as a whole; it is loaded anew.
    if answering.is_as_trained(config) and not processes.divide_weights():
        models.keep(attached.model)
    if not config.runtime.keep_checkpoint:
        run_directory.remove(store.CHECKPOINTS)


def mixture_of(config: CellConfig) -> mixture.Mixture:
    """Return what a cell trains on and holds out, with its manifest."""
    data = config.data
    return mixture.compose(
        mixture.effective_collections(data),
        seed=config.seed,
        validation_examples=data.validation_examples,
        max_characters=data.max_characters,
        max_rejected_share=data.max_rejected_share,
        root=preflight.CURRENT,
    )


def tokenized(config: CellConfig, models: Models) -> tuple[Any, Any, dict[str, Any]]:
    """Return training and validation examples as ids, and the manifest of both."""
    from tunegrid.tokens import encode_all

    mixed = mixture_of(config)
    manifest: dict[str, Any] = dict(mixed.manifest)
    sets = {}
    for name, examples in (("train", mixed.train), ("validation", mixed.validation)):
        texts = [
            (
                prompts.render(config.prompt, example.instruction, example.input),
                prompts.answer_text(config.prompt, example.output),
            )
            for example in examples
        ]
        encoded = encode_all(
            models.tokenizer,
            texts,
            max_length_tokens=config.train.max_length_tokens,
            train_on_prompt=config.train.train_on_prompt,
        )
        rejected = [
            {"source": examples[i].source, "position": examples[i].position}
            for i in encoded.rejected_indices
        ]
        manifest[f"{name}_tokens"] = {
            "examples": len(encoded.examples),
            "tokens": encoded.tokens,
            "trained_tokens": encoded.trained_tokens,
            "truncated": encoded.truncated_count,
            "prompt_too_long": len(rejected),
            "prompt_too_long_examples": rejected[:20],
        }
        _refuse_long_prompts(config, name, rejected, len(texts))
        sets[name] = encoded
    return sets["train"], sets["validation"], manifest


def _refuse_long_prompts(
    config: CellConfig, name: str, rejected: list[dict[str, Any]], total: int
) -> None:
    allowed = config.data.max_rejected_share
    if rejected and len(rejected) > allowed * total:
        first = ", ".join(f"{r['source']} record {r['position']}" for r in rejected[:5])
        raise DataError(
            f"the prompts of {len(rejected)} of {total} {name} examples alone fill "
            f"train.max_length_tokens={config.train.max_length_tokens} (first: {first}); "
            f"data.max_rejected_share accepts {allowed:.1%}. Raise train.max_length_tokens, "
            "leave long examples out with data.max_characters, or raise the accepted share"
        )
