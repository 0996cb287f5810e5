"""The mean loss on held-out examples.

Owns: evaluation between optimizer steps, which changes no weight, no gradient and no generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tunegrid.data.tokens import Encoded
from tunegrid.training.loss_head import TrainedHead
from tunegrid.training.microbatches import Form, MicroBatch, lay_out
from tunegrid.training.sampler import to_device


@torch.no_grad()
def mean_loss(
    model: Any,
    head: TrainedHead,
    examples: Sequence[Encoded],
    form: Form,
    *,
    device: torch.device,
    sum_over_processes: Callable[[list[float]], list[float]],
    laid_out: Callable[[Sequence[Encoded]], list[MicroBatch]] | None = None,
) -> float:
    """Return the mean cross-entropy of the trained tokens of all examples, in nats.

    Every trained token counts the same, whatever the micro-batches are; a mean of batch means
    would weigh tokens by their neighbours.

    Args:
        model: in whatever mode; it is in the same mode afterwards.
        head: an open head of the model.
        examples: the share of this process.
        form: how they are laid out.
        device: where the model is.
        sum_over_processes: adds up numbers of all processes, element by element.
        laid_out: makes the micro-batches where processes have to make equally many passes.

    """
    was_training = model.training
    model.eval()
    try:
        loss = trained = 0.0
        for batch in laid_out(examples) if laid_out is not None else lay_out(examples, form):
            loss += float(head.loss_sum(model, to_device(batch, device)))
            trained += batch.trained_tokens
    finally:
        model.train(was_training)
    loss, trained = sum_over_processes([loss, trained])
    return loss / trained
