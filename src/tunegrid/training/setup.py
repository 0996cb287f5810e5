"""The parts of one training run put together: trainer, callback, checkpoints, validation.

Owns: the settings as transformers takes them, and continuing, stopping and choosing weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from transformers import TrainingArguments
from transformers.trainer_callback import PrinterCallback

from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import TrainConfig
from tunegrid.data.tokens import Encoded
from tunegrid.models.compute import compute_dtype
from tunegrid.models.memory_errors import give_back
from tunegrid.models.methods.attached import Attached
from tunegrid.training import movement, process_group, schedule, sharding
from tunegrid.training.callbacks import StepEvents
from tunegrid.training.checkpoints import Checkpoints
from tunegrid.training.loss_head import LOGITS_AT_ONCE, TrainedHead
from tunegrid.training.memory import peak_memory_bytes
from tunegrid.training.microbatches import Form
from tunegrid.training.report import Interrupted, Ledger, TrainingReport
from tunegrid.training.sampler import StepSampler
from tunegrid.training.trainer import WEIGHTS, StepTrainer, load_trainable, read_ledger
from tunegrid.training.validation import mean_loss


@dataclass(frozen=True)
class Assembly:
    """One run; see `tunegrid.training.train.train` for what its fields mean."""

    attached: Attached
    examples: list[Encoded]
    held_out: list[Encoded]
    settings: TrainConfig
    form: Form
    seed: int
    gradient_checkpointing: bool
    checkpoints: Checkpoints
    on_record: Callable[[Mapping[str, Any]], None]
    should_stop: Callable[[], bool]
    progress: bool

    @property
    def epoch_steps(self) -> int:
        """Optimizer steps of an epoch."""
        return schedule.steps_per_epoch(len(self.examples), self.settings)

    @property
    def steps(self) -> int:
        """Optimizer steps of the run."""
        return schedule.total_steps(len(self.examples), self.settings)

    def carry_out(self, on_resume: Callable[[int], None]) -> TrainingReport:
        """Train to the end, from the latest checkpoint if there is one."""
        self._refuse_checkpointing_of_prefixes()
        with process_group.joined(str(self.checkpoints.directory), on_cuda=self._on_cuda):
            return self._carry_out(on_resume)

    def _carry_out(self, on_resume: Callable[[int], None]) -> TrainingReport:
        resumed_from = self._beginning()
        on_resume(resumed_from or 0)
        if resumed_from is None:
            ledger = Ledger()
        else:
            ledger = read_ledger(self.checkpoints.path(resumed_from))
        model = self.attached.model
        main = process_group.is_main_process()
        beginning = movement.sample(model)
        kernel = model.config._attn_implementation
        if resumed_from is not None and resumed_from >= self.steps:
            load_trainable(model, self.checkpoints.path(resumed_from) / WEIGHTS)
        else:
            try:
                self._run_steps(ledger, resumed_from)
            finally:
                model.config._attn_implementation = self.form.kernel_before or kernel
            if process_group.divide_weights():
                sharding.make_trained_weights_whole(model, keep=process_group.is_main_process())
        exported = self.steps
        if self.settings.keep_best and ledger.best_step is not None:
            exported = ledger.best_step
            if process_group.is_main_process():
                load_trainable(model, self.checkpoints.best_path(exported))
        return ledger.report(
            epochs=self.steps / self.epoch_steps,
            exported_step=exported,
            layout=self.form.layout.value,
            peak_memory_bytes=max(process_group.gathered(peak_memory_bytes())),
            resumed_from=resumed_from,
            compute_dtype=str(compute_dtype(model)).removeprefix("torch."),
            attention=kernel,
            gradient_checkpointing=self.gradient_checkpointing,
            micro_batch_tokens=ledger.micro_batch_tokens or self.form.budget_tokens,
            # The others may hold parts of the weights, and report to nobody.
            changed_share=beginning.changed_share(model) if main else None,
        )

    def _beginning(self) -> int | None:
        """Return the step to go on after, the same in all processes; None without a checkpoint.

        Raises:
            StageError: the processes see different checkpoints or examples.

        """
        if process_group.is_main_process():
            self.checkpoints.clear_unfinished()
        process_group.barrier()
        resumed_from = max(self.checkpoints.steps(), default=None)
        if process_group.world_size() > 1:
            facts = {"latest checkpoint": resumed_from, "training examples": _digest(self.examples)}
            process_group.refuse_differences(facts, self.checkpoints.directory)
        return resumed_from

    @property
    def _on_cuda(self) -> bool:
        return bool(next(self.attached.model.parameters()).device.type == "cuda")

    def _run_steps(self, ledger: Ledger, resumed_from: int | None) -> None:
        """Train from a checkpoint, or from the beginning, to the last step.

        Raises:
            Interrupted: `should_stop` said so; a checkpoint is saved.

        """
        arguments = self._arguments()
        sampler = StepSampler(
            len(self.examples),
            self.settings.examples_per_step,
            self.seed,
            arguments.process_index,
            arguments.world_size,
        )
        events = StepEvents(
            sampler=sampler,
            ledger=ledger,
            save_at=self._points(self.settings.checkpoints_per_epoch),
            evaluate_at=self._points(self.settings.evaluations_per_epoch),
            after_step=self.attached.after_step,
            should_stop=self.should_stop,
            progress=self.progress,
        )
        # A head that is divided can be used inside of the model's own pass only.
        at_once = sys.maxsize if process_group.divide_weights() else LOGITS_AT_ONCE
        with TrainedHead(self.attached.model, at_once) as head:
            trainer = StepTrainer(
                attached=self.attached,
                args=arguments,
                train_dataset=self.examples,
                callbacks=[events],
                head=head,
                # A continued run goes on with what was left of it where memory ran out.
                form=replace(
                    self.form, budget_tokens=ledger.micro_batch_tokens or self.form.budget_tokens
                ),
                sampler=sampler,
                ledger=ledger,
                checkpoints=self.checkpoints,
                evaluate_loss=self._validate,
                on_record=self.on_record,
                keep_best=self.settings.keep_best,
            )
            trainer.remove_callback(PrinterCallback)
            events.trainer = trainer
            start = None if resumed_from is None else str(self.checkpoints.path(resumed_from))
            try:
                trainer.train(resume_from_checkpoint=start)
            finally:
                events.close()
                self.attached.model.zero_grad(set_to_none=True)
                _forget(trainer)
        if events.interrupted:
            raise Interrupted(trainer.state.global_step)

    def _validate(self, trainer: StepTrainer, head: TrainedHead) -> float:
        """Return the mean loss on the held-out examples; each process takes its share."""
        arguments = trainer.args
        return mean_loss(
            self.attached.model,
            head,
            self.held_out[arguments.process_index :: arguments.world_size],
            self.form,
            device=arguments.device,
            sum_over_processes=trainer.sum_over_processes,
            laid_out=trainer.laid_out,
        )

    def _points(self, per_epoch: int) -> frozenset[int]:
        return schedule.points(self.steps, self.epoch_steps, per_epoch)

    def _arguments(self) -> TrainingArguments:
        """Return the settings as transformers takes them."""
        settings = self.settings
        arguments = TrainingArguments(
            output_dir=str(self.checkpoints.unfinished),
            max_steps=self.steps,
            per_device_train_batch_size=settings.examples_per_step,
            gradient_accumulation_steps=1,
            learning_rate=settings.learning_rate,
            lr_scheduler_type=settings.schedule.value,
            warmup_steps=schedule.warmup_steps(self.steps, settings),
            optim=settings.optimizer,
            adam_beta1=settings.beta1,
            adam_beta2=settings.beta2,
            adam_epsilon=settings.epsilon,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_gradient_norm,
            logging_steps=settings.log_every_steps,
            # The callback says when to save and to evaluate.
            save_strategy="no",
            eval_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_nan_inf_filter=False,
            seed=self.seed,
            data_seed=self.seed,
            use_cpu=not self._on_cuda,
            # The type of the computation is the model's own affair (`tunegrid.models.compute`).
            bf16=False,
            fp16=False,
            activation_checkpointing=self.gradient_checkpointing,
            activation_checkpointing_kwargs={"use_reentrant": False},
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            ddp_find_unused_parameters=False,
        )
        if arguments.n_gpu > 1:
            # One process sees several GPUs: the Trainer would split each batch over all of them.
            arguments._n_gpu = 1
        return arguments

    def _refuse_checkpointing_of_prefixes(self) -> None:
        """Raise for prefix tuning with gradient checkpointing: its cache is computed only once."""
        configs = getattr(self.attached.model, "peft_config", {})
        kinds = {str(getattr(config.peft_type, "value", "")) for config in configs.values()}
        if self.gradient_checkpointing and "PREFIX_TUNING" in kinds:
            raise ConfigError(
                "runtime.gradient_checkpointing does not work with prefix tuning, which hands its "
                "prefix over in the cache of keys; set runtime.gradient_checkpointing to false"
            )


def _forget(trainer: StepTrainer) -> None:
    """Give back what training alone needs: the Trainer holds itself in a cycle of references.

    What answers afterwards would have the optimizer's memory missing.
    """
    trainer.optimizer = trainer.lr_scheduler = None
    trainer.accelerator.free_memory()
    give_back()


def _digest(examples: list[Encoded]) -> str:
    """Return a number for what is trained on, equal where the examples and their order are."""
    digest = 0
    for example in examples:
        digest = crc32(str((example.ids, example.labels)).encode(), digest)
    return f"{len(examples)} with checksum {digest:08x}"
