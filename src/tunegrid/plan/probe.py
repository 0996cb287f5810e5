"""`stage=probe`: three measured optimizer steps of a cell, for the plan.

Owns: what a probe measures and where it is written. Writes nothing into the run directory.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunegrid.cells import checkpointing, identity
from tunegrid.cells.identity import Cell
from tunegrid.config.errors import ConfigError, StageError, Stopped
from tunegrid.config.schema import CellConfig, TrainConfig
from tunegrid.data import encoding
from tunegrid.data.example import Example
from tunegrid.data.mixture import Mixture
from tunegrid.data.tokens import TokenizedSet
from tunegrid.plan.calibration import DIRECTORY
from tunegrid.store import json_files, provenance

WARM_UP_STEPS = 1
MEASURED_STEPS = 3
STEPS = WARM_UP_STEPS + MEASURED_STEPS


def probe(
    cell: Cell,
    models: Any,
    compose: Callable[[CellConfig], Mixture],
    should_stop: Callable[[], bool],
) -> Path:
    """Train a few steps of a cell and return the file that says how fast and large they were.

    Args:
        cell: with a method.
        models: gives the tokenizer and the base with the method attached, as the pipeline's.
        compose: returns what a cell trains on.
        should_stop: whether to end after the step.

    Raises:
        ConfigError: a cell without a method has nothing to train.
        StageError: out of memory, or too few examples.
        Stopped: `should_stop` became true.
    """
    import torch

    if cell.config.peft.function is None:
        raise ConfigError("stage=probe measures training, and peft=none trains nothing")
    try:
        measured = _measured(cell, models, compose(cell.config).train, should_stop)
    except torch.OutOfMemoryError as error:
        raise StageError(
            "the probe ran out of memory on the device; so will the cell. Lower "
            "runtime.micro_batch_tokens, or choose quantization=int8 or nf4"
        ) from error
    now = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    name = f"{now}-{identity.short_hash([cell.train_id, time.time_ns()])}.json"
    path = Path(cell.config.runtime.results) / DIRECTORY / name
    record = {"train_id": cell.train_id, "config": cell.record()["config"], **measured}
    record |= provenance.collect(cell.project)
    json_files.write_text(path, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    print(
        f"{cell.train_id}: {measured['tokens_per_second']:,.0f} tokens/s over {MEASURED_STEPS} "
        f"steps, peak {measured['peak_memory_bytes'] / 2**30:.2f} GiB\n{path}"
    )
    return path


def _measured(
    cell: Cell, models: Any, mixed: Sequence[Example], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Return rate, peak and counts of the steps behind the warm-up."""
    from tunegrid.models.parameters import count
    from tunegrid.training.report import Interrupted
    from tunegrid.training.schedule import total_steps
    from tunegrid.training.train import train

    config = cell.config
    settings = cell.training
    steps = total_steps(len(mixed), settings)
    examples = _encoded(cell, models, mixed, settings)
    attached = models.attached(steps)
    counts = count(attached.model)
    longest = max((len(example.ids) for example in examples.examples), default=1)
    again = checkpointing.decided(config, attached.model, longest)
    records: list[Mapping[str, Any]] = []
    short = replace(
        settings,
        max_steps=STEPS,
        log_every_steps=1,
        checkpoints_per_epoch=0,
        evaluations_per_epoch=0,
        keep_best=False,
    )
    with tempfile.TemporaryDirectory(prefix="tunegrid-probe-") as scratch:
        try:
            report = train(
                attached,
                models.tokenizer,
                examples,
                None,
                short,
                layout=config.runtime.layout,
                micro_batch_tokens=config.runtime.micro_batch_tokens,
                gradient_checkpointing=again,
                seed=config.seed,
                checkpoint_directory=Path(scratch),
                on_record=records.append,
                on_resume=lambda step: None,
                should_stop=should_stop,
                progress=config.runtime.progress,
            )
        except Interrupted as interruption:
            raise Stopped from interruption
    behind = records[WARM_UP_STEPS:]
    seconds = behind[-1]["seconds"] - records[WARM_UP_STEPS - 1]["seconds"]
    return {
        "steps": len(behind),
        "seconds": seconds,
        "tokens": sum(record["tokens"] for record in behind),
        "tokens_per_second": sum(record["tokens"] for record in behind) / seconds,
        "peak_memory_bytes": report.peak_memory_bytes,
        "layout": report.layout,
        "gradient_checkpointing": again,
        "trainable_parameters": counts.trainable,
        "total_parameters": counts.total,
    }


def _encoded(
    cell: Cell, models: Any, mixed: Sequence[Example], settings: TrainConfig
) -> TokenizedSet:
    """Return as many examples as the steps take, evenly spaced over the mixture."""
    every = max(1, len(mixed) // (STEPS * settings.examples_per_step))
    prompt = cell.config.prompt
    found = encoding.encoded(models.tokenizer, prompt, settings, mixed[::every])
    if not found.examples:
        raise StageError(
            "the prompts of all examples that the probe took are longer than "
            f"train.max_length_tokens={settings.max_length_tokens}; raise it"
        )
    return found
