"""One training run from an attached model to trained weights and a report.

Owns: putting the parts together, and continuing an interrupted run. Writes nothing but the
checkpoints; the caller saves the adapter (`tunegrid.models.methods.attached.export`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Layout
from tunegrid.config.errors import ConfigError, StageError, all_problems
from tunegrid.config.schema import TrainConfig
from tunegrid.data.tokens import TokenizedSet
from tunegrid.models.methods.attached import Attached
from tunegrid.store.json_files import Writer
from tunegrid.training import schedule
from tunegrid.training.checkpoints import Checkpoints
from tunegrid.training.layouts import training_form
from tunegrid.training.report import TrainingReport


def train(
    attached: Attached,
    tokenizer: Any,
    train_set: TokenizedSet,
    validation_set: TokenizedSet | None,
    settings: TrainConfig,
    *,
    layout: Layout,
    micro_batch_tokens: int,
    gradient_checkpointing: bool,
    seed: int,
    checkpoint_directory: Path,
    on_record: Callable[[Mapping[str, Any]], None],
    on_resume: Callable[[int], None],
    should_stop: Callable[[], bool],
    progress: bool,
    writer: Writer | None = None,
) -> TrainingReport:
    """Train the attached method and return the report; the model holds the trained weights.

    Continues from the latest whole checkpoint in `checkpoint_directory` when there is one. A run
    that was killed and continued, on the same machine with the same number of threads, ends with
    the same bytes as one that was not; on CUDA with the same numbers up to rounding, because some
    of its backward kernels add in no fixed order.

    Args:
        attached: what a method's `attach` returned.
        tokenizer: the base's; names the padding id.
        train_set: at least one example.
        validation_set: held-out examples, or None.
        settings: all of them are used.
        layout: see `microbatches`; changes nothing but speed, and with dropout its draws.
        micro_batch_tokens: padded tokens of one forward pass.
        gradient_checkpointing: compute activations again instead of keeping them.
        seed: governs the order of the examples and dropout; from 0 to 2**32 - 1.
        checkpoint_directory: this run's own.
        on_record: called every `log_every_steps` steps and after the last one with `step`, `epoch`,
            `loss` (mean over the trained tokens since the last record), `gradient_norm` (before
            clipping), `learning_rate`, `trained_tokens`, `tokens`, `padded_tokens` (of the same
            steps), `tokens_per_second` and `seconds` (since the run began); after an evaluation
            with `step`, `epoch` and `validation_loss`.
        on_resume: called once before the first step with the step after which training goes on,
            0 at the beginning; records of later steps are void.
        should_stop: asked after each step.
        progress: whether to show a progress bar on standard error.
        writer: who holds the lock that covers the checkpoints, where there is one.

    Raises:
        LockLost: the writer's lock is another's by now.
        ConfigError: settings that contradict each other or the base.
        StageError: a loss or gradient that is not finite.
        Interrupted: `should_stop` said so before the last step; a checkpoint is saved.

    """
    held_out = validation_set.examples if validation_set is not None else []
    found = schedule.problems(settings, len(held_out))
    if found:
        raise ConfigError(all_problems("training", found))
    if not train_set.examples:
        raise StageError(
            f"there is nothing to train on: all {len(train_set.rejected_indices)} examples were "
            "rejected; raise train.max_length_tokens"
        )
    from tunegrid.training.setup import Assembly

    assembly = Assembly(
        attached=attached,
        examples=train_set.examples,
        held_out=held_out,
        settings=settings,
        form=training_form(attached, tokenizer, layout, micro_batch_tokens),
        seed=seed,
        gradient_checkpointing=gradient_checkpointing,
        checkpoints=Checkpoints(checkpoint_directory, writer),
        on_record=on_record,
        should_stop=should_stop,
        progress=progress,
    )
    return assembly.carry_out(on_resume)
