"""Data, tokens and training of a cell: what its run directory has once it is trained.

Owns: data.json, train.jsonl, adapter/ and train.json. Loads torch when called.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from tunegrid.cells import checkpointing, gates, inference_settings
from tunegrid.cells.attempts import note_attempt
from tunegrid.cells.identity import Cell
from tunegrid.cells.loaded_models import Models
from tunegrid.cells.tracking import Tracker
from tunegrid.config.errors import DataError, Stopped
from tunegrid.config.schema import CellConfig
from tunegrid.data import account, encoding, mixture
from tunegrid.store import provenance, run_files
from tunegrid.store.inputs import locate
from tunegrid.store.json_files import Writer
from tunegrid.store.run_directory import RunDirectory
from tunegrid.training import process_group

ShouldStop = Callable[[], bool]


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
    writer: Writer | None = None,
) -> Any:
    """Train a cell's attached method as its settings say, and return the report.

    Args:
        cell: names the settings, and the directory of the checkpoints.
        attached: the method, on the base.
        models: gives the tokenizer.
        sets: training and validation examples, as `tokenized` returns them.
        on_record: see `tunegrid.training.train.train`, as the next three.
        on_resume: called with the step that training goes on from.
        should_stop: asked after each step.
        progress: whether to show a bar.
        writer: who holds the run's lock; None in the processes that train along.

    Raises:
        LockLost: another process holds it by now.
        Stopped: `should_stop` became true; a checkpoint is saved.
    """
    from tunegrid.training.report import Interrupted
    from tunegrid.training.train import train

    runtime = cell.config.runtime
    examples, held_out = sets
    try:
        return train(
            attached,
            models.tokenizer,
            examples,
            held_out if held_out.examples else None,
            cell.training,
            layout=runtime.layout,
            micro_batch_tokens=runtime.micro_batch_tokens,
            gradient_checkpointing=checkpointing.decided(
                cell.config, attached.model, max((len(e.ids) for e in examples.examples), default=1)
            ),
            seed=cell.config.seed,
            checkpoint_directory=RunDirectory(cell.directory).checkpoints,
            on_record=on_record,
            on_resume=on_resume,
            should_stop=should_stop,
            progress=progress,
            writer=writer,
        )
    except Interrupted as interruption:
        raise Stopped from interruption


def train_cell(
    cell: Cell, run_directory: RunDirectory, models: Models, should_stop: ShouldStop
) -> None:
    """Data, tokens, training; writes data.json, train.jsonl, adapter/ and, last, train.json."""
    from tunegrid.models.methods.attached import export
    from tunegrid.models.parameters import count
    from tunegrid.training.schedule import total_steps

    config = cell.config
    run_directory.write(run_files.PROVENANCE, provenance.collect(cell.project))
    examples, held_out, manifest = tokenized(config, models)
    run_directory.write(run_files.DATA, manifest)
    for line in account.lines(manifest, config.train.max_length_tokens):
        print(line, file=sys.stderr, flush=True)
    settings = cell.training
    attached = models.attached(total_steps(len(examples.examples), settings))
    counts = count(attached.model)
    with Tracker(config.logging, cell, run_directory.path) as tracker:

        def record(values: Mapping[str, Any]) -> None:
            run_directory.append_line(run_files.CURVE, values)
            tracker.log(values)

        def resumed(step: int) -> None:
            run_directory.drop_lines_after(run_files.CURVE, "step", step)

        report = carry_out(
            cell,
            attached,
            models,
            (examples, held_out),
            on_record=record,
            on_resume=resumed,
            should_stop=should_stop,
            progress=config.runtime.progress,
            writer=run_directory.lock,
        )
        facts = asdict(report) | {
            "trainable_parameters": counts.trainable,
            "total_parameters": counts.total,
            "examples": len(examples.examples),
            "truncated": examples.truncated_count,
        }
        facts["suspect"] = gates.training_reasons(facts)
        tracker.summarize(facts)
    with run_directory.replaced_directory(run_files.ADAPTER) as directory:
        export(attached.model, directory)
    run_directory.write(run_files.TRAINED, facts)
    note_attempt(run_directory, "trained")
    # A model that was trained in parts cannot compute as a whole; it is loaded anew.
    if inference_settings.is_as_trained(config) and not process_group.divide_weights():
        models.keep(attached.model)
    if not config.runtime.keep_checkpoint:
        run_directory.remove(run_files.CHECKPOINTS)


def mixture_of(config: CellConfig) -> mixture.Mixture:
    """Return what a cell trains on and holds out, with its manifest."""
    data = config.data
    return mixture.compose(
        mixture.effective_collections(data),
        seed=config.seed,
        validation_examples=data.validation_examples,
        max_characters=data.max_characters,
        max_rejected_share=data.max_rejected_share,
        root=locate.CURRENT,
    )


def tokenized(config: CellConfig, models: Models) -> tuple[Any, Any, dict[str, Any]]:
    """Return training and validation examples as ids, and the manifest of both."""
    mixed = mixture_of(config)
    manifest: dict[str, Any] = dict(mixed.manifest)
    sets = {}
    too_long: Counter[str] = Counter()
    for name, examples in (("train", mixed.train), ("validation", mixed.validation)):
        encoded = encoding.encoded(models.tokenizer, config.prompt, config.train, examples)
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
        too_long.update(examples[i].source.rpartition("/")[0] for i in encoded.rejected_indices)
        _refuse_long_prompts(config, name, rejected, len(examples))
        sets[name] = encoded
    manifest["collections"] = [
        entry | {"prompt_too_long": too_long[entry["name"]]} for entry in manifest["collections"]
    ]
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
