"""What happens around the optimizer steps: checkpoints, evaluations, stopping, the progress bar.

Owns: a callback of the Trainer that decides when. Knows nothing of losses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback

from tunegrid.training.report import Ledger
from tunegrid.training.sampler import StepSampler


class StepEvents(TrainerCallback):
    """Steers one training run."""

    def __init__(
        self,
        *,
        sampler: StepSampler,
        ledger: Ledger,
        save_at: frozenset[int],
        evaluate_at: frozenset[int],
        after_step: Callable[[int], None] | None,
        should_stop: Callable[[], bool],
        progress: bool,
    ) -> None:
        self._sampler = sampler
        self._ledger = ledger
        self._save_at = save_at
        self._evaluate_at = evaluate_at
        self._after_step = after_step
        self._should_stop = should_stop
        self._progress = progress
        self._bar: Any = None
        self.trainer: Any = None
        """The trainer this steers; set once it exists."""
        self.interrupted = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Open the progress bar where the run goes on."""
        shown = self._progress and state.is_world_process_zero
        self._bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc="train",
            unit="step",
            disable=not shown,
            dynamic_ncols=True,
        )

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Tell the sampler the epoch, also in the middle of one."""
        self._sampler.epoch = state.global_step // len(self._sampler)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Note the step, or refuse it."""
        self.trainer.end_of_passes()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Give the method its turn, with the gradients still there; not with those of no step."""
        if self.trainer.step_was_skipped():
            self._ledger.skipped_steps += 1
        elif self._after_step is not None:
            self._after_step(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> Any:
        """Say what follows this step, and show the progress."""
        step = state.global_step
        self._bar.set_postfix(
            loss=f"{self._ledger.step_losses[-1]:.3f}",
            tokens_per_second=f"{self._ledger.tokens / self._ledger.seconds:.0f}",
            refresh=False,
        )
        self._bar.update()
        if step in self._save_at:
            control.should_save = True
        if step in self._evaluate_at:
            control.should_evaluate = True
        if step >= state.max_steps:
            control.should_log = True
        elif any(self.trainer.sum_over_processes([float(self._should_stop())])):
            self.interrupted = True
            control.should_save = True
            control.should_training_stop = True
        return control

    def close(self) -> None:
        """Close the progress bar."""
        if self._bar is not None:
            self._bar.close()
