"""A Trainer of transformers in which one batch is the examples of one optimizer step.

Owns: the forward and backward passes of a step, and what a checkpoint holds. Clipping, devices,
distribution and the continuation inside an epoch are the Trainer's.

A step's loss is the sum over its trained tokens divided by their number, over all micro-batches
and processes, so that the layout changes nothing but speed.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from tunegrid.config.choices import Schedule
from tunegrid.config.errors import StageError
from tunegrid.data.tokens import NOT_TRAINED, Encoded
from tunegrid.models.compute import compute_dtype
from tunegrid.models.memory_errors import give_back, is_out_of_memory
from tunegrid.models.methods.attached import Attached
from tunegrid.training import process_group, sharding
from tunegrid.training.checkpoints import Checkpoints
from tunegrid.training.loss_head import TrainedHead
from tunegrid.training.microbatches import Form, MicroBatch, lay_out
from tunegrid.training.report import Ledger
from tunegrid.training.sampler import StepSampler, to_device
from tunegrid.training.schedule import rate_share
from tunegrid.training.weights import load_trainable, save_trainable

WEIGHTS = "trainable.safetensors"
METHOD_STATE = "method.safetensors"
LEDGER = "ledger.json"


class StepTrainer(Trainer):
    """Trains one model; every argument beyond the Trainer's own is keyword-only."""

    def __init__(
        self,
        *,
        head: TrainedHead,
        form: Form,
        sampler: StepSampler,
        ledger: Ledger,
        checkpoints: Checkpoints,
        evaluate_loss: Callable[[StepTrainer, TrainedHead], float],
        on_record: Callable[[Mapping[str, Any]], None],
        keep_best: bool,
        attached: Attached,
        **options: Any,
    ) -> None:
        super().__init__(model=attached.model, **options)
        if process_group.divide_weights():
            sharding.divide(attached.model, self.args.device.type)
            # The Trainer leaves such a model as it is instead of wrapping it once more.
            self.is_distributed_loading_by_transformers = True
        self._attached = attached
        self._head = head
        self._form = form
        self._sampler = sampler
        self._checkpoints = checkpoints
        self._evaluate_loss = evaluate_loss
        self._on_record = on_record
        self._keep_best = keep_best
        if compute_dtype(attached.model) is torch.float16:
            # Gradients of float16 vanish below 6e-8, so they are scaled. accelerate's own mixed
            # precision would wrap the model for good, which then answers in another type.
            self.accelerator.scaler = torch.amp.GradScaler(self.args.device.type)
        self._step_loss = torch.zeros(())
        self._step_tokens = (0, 0, 0)
        self._norm: torch.Tensor | None = None
        self.ledger = ledger

    def get_train_dataloader(self) -> DataLoader:
        """Return a loader whose batches are lists of examples, one list a step."""
        # A generator of its own: the loader draws a number for each epoch, which would otherwise
        # move the generator that dropout draws from.
        return DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_sampler=self._sampler,
            collate_fn=list,
            generator=torch.Generator(),
        )

    def training_step(
        self, model: Any, inputs: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Run the micro-batches of one step forward and backward; return the step's mean loss.

        Where memory does not suffice, this and all later steps have smaller micro-batches, which
        changes nothing but speed.

        Raises:
            StageError: a single example does not fit, or other processes have begun the exchange.

        """
        while True:
            try:
                return self._passes(model, inputs)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self._refuse_smaller(inputs, error)
            # Not inside of the handler: the error holds on to the tensors of its frames.
            self._halve()
            model.zero_grad(set_to_none=True)
            give_back()

    def _refuse_smaller(self, examples: Sequence[Encoded], error: BaseException) -> None:
        """Raise where smaller micro-batches are no way out."""
        longest = max((len(example.ids) for example in examples), default=0)
        alone = self.args.world_size == 1
        if alone and self._form.budget_tokens > longest:
            return
        what = "one example at a time" if alone else "in one of several processes"
        raise StageError(
            f"out of memory in optimizer step {self.state.global_step + 1}, {what} "
            f"(runtime.micro_batch_tokens={self._form.budget_tokens}, longest example {longest} "
            f"tokens): {str(error).splitlines()[0] if str(error) else type(error).__name__}. Set "
            "runtime.gradient_checkpointing=true, lower runtime.micro_batch_tokens or "
            "train.max_length_tokens, or hold the base in 8 or 4 bit (quantization=int8 or nf4)"
        ) from error

    def _halve(self) -> None:
        before = self._form.budget_tokens
        self._form = replace(self._form, budget_tokens=before // 2)
        self.ledger.micro_batch_tokens = self._form.budget_tokens
        print(
            f"out of memory with runtime.micro_batch_tokens={before}; the run goes on with "
            f"{before // 2}, which changes nothing but speed",
            file=sys.stderr,
        )

    def _passes(self, model: Any, inputs: Any) -> torch.Tensor:
        """Return the mean loss of a step, whose gradients are there afterwards."""
        model.train()
        if callable(getattr(self.optimizer, "train", None)):
            self.optimizer.train()  # type: ignore[union-attr]
        batches = self.laid_out(inputs)
        tokens = sum(len(example.ids) for example in inputs)
        padded = sum(batch.padded_tokens for batch in batches if batch.trained_tokens)
        [trained] = self.sum_over_processes([sum(batch.trained_tokens for batch in batches)])
        # Processes' gradients are averaged, not added up, so each counts its share that much more.
        scale = self.args.world_size / trained
        total = torch.zeros((), dtype=torch.float64, device=self.args.device)
        for number, batch in enumerate(batches, start=1):
            last = number == len(batches)
            # Parts of gradients are added up after every pass: whole ones would take the memory
            # that was saved.
            at_once = last or process_group.divide_weights()
            synchronized = contextlib.nullcontext() if at_once else self.accelerator.no_sync(model)
            with synchronized:
                loss = self._head.loss_sum(model, to_device(batch, self.args.device))
                goal = loss * scale
                if last and self._attached.penalty is not None:
                    # Once a step, in the pass after which processes average their gradients.
                    goal = goal + self._attached.penalty()
                self.accelerator.backward(goal)
            total += loss.detach()
        if self._scaler is not None:
            optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
            self._scaler.unscale_(optimizer)
        # Numbers stay on the device until `end_of_passes` fetches them together.
        self._step_loss, self._step_tokens = total, (int(trained), tokens, padded)
        return (total / trained).float()

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        """Clip the gradients, and keep their norm for `end_of_passes`."""
        self._norm = super()._clip_grad_norm(model)
        return self._norm

    def end_of_passes(self) -> None:
        """Add the step to the ledger; refuse a loss or a gradient that is not finite.

        All that is read from the device in a step is read here, at once.

        Raises:
            StageError: one is not finite; gradients are forgiven where a scaler skips the step.

        """
        trained, tokens, padded = self._step_tokens
        norm = self._norm
        if norm is None:
            trained_model: Any = self.model
            gradients = [p.grad for p in trained_model.parameters() if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients)
        whole_norm = sharding.whole(torch.as_tensor(norm)).to(self._step_loss)
        loss, norm_value = torch.stack([self._step_loss, whole_norm]).tolist()
        loss, all_tokens, all_padded = self.sum_over_processes([loss, tokens, padded])
        self._refuse_non_finite("loss", loss / trained)
        if self._scaler is None:
            self._refuse_non_finite("gradient", norm_value)
        self.ledger.add_step(loss / trained, trained, int(all_tokens), int(all_padded))

    def step_was_skipped(self) -> bool:
        """Return whether a scaler has found the last step's gradients too large and skipped it."""
        return bool(self._scaler is not None and self.accelerator.optimizer_step_was_skipped)

    @property
    def _scaler(self) -> Any:
        return getattr(self.accelerator, "scaler", None)

    def sum_over_processes(self, numbers: list[float]) -> list[float]:
        """Return the sums of numbers over all processes, element by element."""
        if self.args.world_size == 1:
            return list(numbers)
        own = torch.tensor(numbers, dtype=torch.float64, device=self.args.device)
        return self.accelerator.reduce(own, reduction="sum").tolist()

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Add the validation loss to the ledger, and keep the weights if it is the lowest."""
        # The Trainer looks at the flag again at the end of an epoch.
        self.control.should_evaluate = False
        step = self.state.global_step
        loss = self._evaluate_loss(self, self._head)
        self._refuse_non_finite("validation loss", loss)
        self.ledger.validation_losses[step] = loss
        if self._keep_best and self.ledger.best_step == step:
            temporary = self._checkpoints.unfinished / "best.safetensors"
            with self._checkpoints.writing(self._checkpoints.best_path(step).name):
                save_trainable(self.model, temporary)
                if self.args.should_save:
                    self._checkpoints.publish_best(temporary, step)
        process_group.barrier()
        if self.is_world_process_zero():
            self._on_record({"step": step, "epoch": self.state.epoch, "validation_loss": loss})
        return {}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Pass the numbers of the last steps on; the Trainer's own history is not kept."""
        self.control.should_log = False
        if "grad_norm" in logs and self.is_world_process_zero():
            record = {
                "step": self.state.global_step,
                "epoch": self.state.epoch,
                "gradient_norm": float(logs["grad_norm"]),
                "learning_rate": logs["learning_rate"],
            }
            self._on_record({**record, **self.ledger.since_last_record()})

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: not counted, tokens are."""
        return 0

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the trainable weights into a checkpoint."""
        if output_dir is not None:
            directory = Path(output_dir)
            save_trainable(self.model, directory / WEIGHTS)
            if self.args.should_save and self._attached.state is not None:
                save_file(self._attached.state.save(), str(directory / METHOD_STATE))

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return the optimizer, with a learning rate of its own for each factor of the method."""
        is_new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        factor = self._attached.rate_factor
        if factor is not None and is_new:
            trained: Any = self.model
            factors = {p: factor(n) for n, p in trained.named_parameters() if p.requires_grad}
            optimizer.param_groups[:] = [
                part for group in optimizer.param_groups for part in _by_factor(group, factors)
            ]
            # What is logged as the learning rate is that of the first group.
            optimizer.param_groups.sort(key=lambda group: group["lr"] != self.args.learning_rate)
        return optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> LambdaLR:
        """Make the schedule of `tunegrid.training.schedule.rate_share`, once."""
        if self.lr_scheduler is None:
            share = functools.partial(
                rate_share,
                steps=num_training_steps,
                warmup=int(self.args.warmup_steps),
                schedule=Schedule(self.args.lr_scheduler_type),
            )
            self.lr_scheduler = LambdaLR(optimizer or self.create_optimizer(), share)
        return self.lr_scheduler

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint into `unfinished/` and publish it when it is whole."""
        step = self.state.global_step
        with self._checkpoints.writing(f"checkpoint-{step}"):
            self._save_checkpoint_whole(model, trial, step)

    def _save_checkpoint_whole(self, model: Any, trial: Any, step: int) -> None:
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            written = self._checkpoints.unfinished / f"checkpoint-{step}"
            ledger = json.dumps(self.ledger.to_json(), indent=1)
            (written / LEDGER).write_text(ledger, encoding="utf-8")
            self._checkpoints.publish(step)
            saved = [read_ledger(self._checkpoints.path(s)) for s in self._checkpoints.steps()]
            best = {entry.best_step for entry in [*saved, self.ledger]}
            self._checkpoints.keep_best_of({step for step in best if step is not None})
        self.accelerator.wait_for_everyone()

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Write the optimizer's state as one process has it, also where several hold parts."""
        if not process_group.divide_weights():
            super()._save_optimizer_and_scheduler(output_dir)
            return
        state, scheduler = sharding.whole_state(self.optimizer), self.lr_scheduler
        if self.args.should_save and scheduler is not None:
            torch.save(state, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Read the state of optimizer and schedule, in parts where processes hold those."""
        if not process_group.divide_weights() or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        directory = Path(checkpoint)
        state = torch.load(directory / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
        sharding.load_whole_state(self.optimizer, state)
        if self.lr_scheduler is not None:
            schedule = torch.load(directory / SCHEDULER_NAME, weights_only=True)
            self.lr_scheduler.load_state_dict(schedule)

    def _save_rng_state(self, output_dir: str) -> None:
        """Write the state of every process' generators: the main process writes them all."""
        with tempfile.TemporaryDirectory() as own:
            super()._save_rng_state(own)
            states = {path.name: path.read_bytes() for path in Path(own).iterdir()}
        for states_of_one in process_group.gathered(states):
            for name, content in states_of_one.items():
                if self.args.should_save:
                    (Path(output_dir) / name).write_bytes(content)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Read the trainable weights of a checkpoint, and what the method remembers."""
        directory = Path(resume_from_checkpoint)
        load_trainable(self.model, directory / WEIGHTS)
        if self._attached.state is not None:
            self._attached.state.load(load_file(str(directory / METHOD_STATE)))

    def laid_out(self, examples: Sequence[Encoded]) -> list[MicroBatch]:
        """Return the micro-batches of examples, at least one, to be run one after another.

        Processes that hold parts of the weights bring them together in every pass, so that each
        has to make as many passes as the one with the most.
        """
        batches = lay_out(examples or [self._idle_example()], self._form)
        if process_group.divide_weights():
            most = max(process_group.gathered(len(batches)))
            batches = batches + lay_out([self._idle_example()], self._form) * (most - len(batches))
        return batches

    def _idle_example(self) -> Encoded:
        """Return an example without a trained token, for a process whose share is empty.

        It has to take part in the exchange of gradients all the same.
        """
        ids = self.train_dataset[0].ids[:2]  # type: ignore[index]
        return Encoded(ids, [NOT_TRAINED] * len(ids), prompt_tokens=len(ids), truncated=False)

    def _refuse_non_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise StageError(
                f"the {what} of optimizer step {self.state.global_step + 1} is {value}; the run "
                "has diverged or its type is too narrow: try a lower train.learning_rate, a longer "
                "train.warmup_share, or bf16 or fp32 instead of fp16"
            )


def _by_factor(
    group: dict[str, Any], factors: Mapping[torch.nn.Parameter, float]
) -> list[dict[str, Any]]:
    """Return a group of parameters as one group for each factor of their learning rate."""
    return [
        group
        | {
            "params": [p for p in group["params"] if factors[p] == factor],
            "lr": group["lr"] * factor,
        }
        for factor in sorted({factors[p] for p in group["params"]})
    ]


def read_ledger(checkpoint: Path) -> Ledger:
    """Return the running totals that a checkpoint holds."""
    return Ledger.from_json(json.loads((checkpoint / LEDGER).read_text(encoding="utf-8")))
