"""What a training run leaves behind: running totals, the report, and how it can be interrupted.

Owns: the numbers of a run, across interruptions. Knows nothing of models or files.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


class Interrupted(Exception):
    """Training was asked to stop, has saved a checkpoint and can be continued from it."""

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted after optimizer step {step}, which is saved")
        self.step = step


@dataclass(frozen=True)
class TrainingReport:
    """The outcome of a run; losses are mean cross-entropies of the trained tokens, in nats."""

    steps: int
    epochs: float
    first_loss: float
    last_loss: float
    first_tenth_loss: float
    """Mean loss of the first tenth of the steps."""
    last_tenth_loss: float
    validation_losses: dict[int, float]
    """Loss by step."""
    best_step: int | None
    """The step with the lowest validation loss; None without validation."""
    exported_step: int
    """The step whose weights the model has now."""
    trained_tokens: int
    tokens: int
    padded_tokens: int
    """Tokens with padding: what was computed."""
    seconds: float
    """Of the training loop with its evaluations and checkpoints, over all its continuations."""
    tokens_per_second: float
    """Real tokens by `seconds`."""
    peak_memory_bytes: int
    """Of the GPU's allocator, or of the process on a CPU."""
    layout: str
    resumed_from: int | None
    """The step this process continued after; None when it began at the beginning."""
    compute_dtype: str
    """The type of the computation: float32, bfloat16 or float16."""
    attention: str
    """The attention kernel, by the name that transformers gives it."""
    gradient_checkpointing: bool
    """Whether activations were computed again instead of kept."""
    micro_batch_tokens: int
    """What a micro-batch was allowed to hold in the end: less than asked for where memory ran
    out."""
    skipped_steps: int
    """Steps whose gradients were too large for float16, so that they changed nothing."""
    changed_share: float | None
    """Share of the trained weights that differ from their start, embeddings left out; of a sample.
    None where nothing else is trained."""


@dataclass
class Ledger:
    """The running totals of a run; saved with each checkpoint, so that they survive a kill."""

    step_losses: list[float] = field(default_factory=list)
    loss_sum: float = 0.0
    """Sum of the cross-entropies of all trained tokens."""
    trained_tokens: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    skipped_steps: int = 0
    micro_batch_tokens: int | None = None
    """What was left of the setting where memory ran out; None where it did not."""
    seconds_before: float = 0.0
    """Seconds of the processes that this one continues."""
    validation_losses: dict[int, float] = field(default_factory=dict)
    recorded: dict[str, float] = field(default_factory=dict)
    """The totals at the last record, so that a continued run records the same means."""
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def best_step(self) -> int | None:
        """The step with the lowest validation loss, the earliest of equals."""
        if not self.validation_losses:
            return None
        return min(self.validation_losses, key=lambda step: (self.validation_losses[step], step))

    def add_step(self, loss: float, trained_tokens: int, tokens: int, padded_tokens: int) -> None:
        """Add one optimizer step with its mean loss."""
        self.step_losses.append(loss)
        self.loss_sum += loss * trained_tokens
        self.trained_tokens += trained_tokens
        self.tokens += tokens
        self.padded_tokens += padded_tokens

    def since_last_record(self) -> dict[str, float]:
        """Return loss, tokens and speed since the last call, with the seconds of the whole run."""
        totals = {
            "loss_sum": self.loss_sum,
            "trained_tokens": self.trained_tokens,
            "tokens": self.tokens,
            "padded_tokens": self.padded_tokens,
            "seconds": self.seconds,
        }
        new = {name: value - self.recorded.get(name, 0) for name, value in totals.items()}
        self.recorded = totals
        return {
            "loss": new["loss_sum"] / new["trained_tokens"],
            "trained_tokens": new["trained_tokens"],
            "tokens": new["tokens"],
            "padded_tokens": new["padded_tokens"],
            "tokens_per_second": new["tokens"] / new["seconds"],
            "seconds": totals["seconds"],
        }

    def to_json(self) -> dict[str, Any]:
        """Return the totals as plain values."""
        return {
            "step_losses": self.step_losses,
            "loss_sum": self.loss_sum,
            "recorded": self.recorded,
            "trained_tokens": self.trained_tokens,
            "tokens": self.tokens,
            "padded_tokens": self.padded_tokens,
            "skipped_steps": self.skipped_steps,
            "seconds": self.seconds,
            "validation_losses": {str(step): loss for step, loss in self.validation_losses.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Ledger:
        """Return the totals that `to_json` wrote; the clock goes on from there."""
        return cls(
            step_losses=list(values["step_losses"]),
            loss_sum=values["loss_sum"],
            recorded=dict(values["recorded"]),
            trained_tokens=values["trained_tokens"],
            tokens=values["tokens"],
            padded_tokens=values["padded_tokens"],
            skipped_steps=values.get("skipped_steps", 0),
            seconds_before=values["seconds"],
            validation_losses={
                int(step): loss for step, loss in values["validation_losses"].items()
            },
        )

    def report(
        self,
        *,
        epochs: float,
        exported_step: int,
        layout: str,
        peak_memory_bytes: int,
        resumed_from: int | None,
        compute_dtype: str,
        attention: str,
        gradient_checkpointing: bool,
        micro_batch_tokens: int,
        changed_share: float | None,
    ) -> TrainingReport:
        """Return the report of a finished run."""
        losses = self.step_losses
        tenth = max(1, len(losses) // 10)
        seconds = self.seconds
        return TrainingReport(
            steps=len(losses),
            epochs=epochs,
            first_loss=losses[0],
            last_loss=losses[-1],
            first_tenth_loss=sum(losses[:tenth]) / tenth,
            last_tenth_loss=sum(losses[-tenth:]) / tenth,
            validation_losses=dict(self.validation_losses),
            best_step=self.best_step,
            exported_step=exported_step,
            trained_tokens=self.trained_tokens,
            tokens=self.tokens,
            padded_tokens=self.padded_tokens,
            seconds=seconds,
            tokens_per_second=self.tokens / seconds,
            peak_memory_bytes=peak_memory_bytes,
            layout=layout,
            resumed_from=resumed_from,
            compute_dtype=compute_dtype,
            attention=attention,
            gradient_checkpointing=gradient_checkpointing,
            micro_batch_tokens=micro_batch_tokens,
            skipped_steps=self.skipped_steps,
            changed_share=changed_share,
        )
