"""The loss of a micro-batch, with the language-model head computed on trained positions only.

Owns: from hidden states to a sum of cross-entropies. Knows nothing of optimizers or layouts.

Half of an instruction example and more is prompt and padding, which has no loss; the head of a
base with 250,880 words costs as much there as several of its layers. A hook in front of the head
keeps the rows whose next token is trained. Rows are independent of each other from there on, so
loss and gradients are those of the full head.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from tunegrid.data.tokens import NOT_TRAINED
from tunegrid.models.compute import computing
from tunegrid.training.microbatches import MicroBatch

LOGITS_AT_ONCE = 2**26
"""Logits held at a time, 256 MiB of them in 32 bit; more are computed in chunks."""


class TrainedHead:
    """Computes losses of a model while it is open; closing it removes its hook.

    Works under peft and under a distributed wrapper, because it holds on to the head itself.
    """

    def __init__(self, model: Any, logits_at_once: int = LOGITS_AT_ONCE) -> None:
        self._model = model
        self._head = model.get_output_embeddings()
        self._words: int = model.config.get_text_config().vocab_size
        self._logits_at_once = logits_at_once
        self._targets: torch.Tensor | None = None
        self._rows: torch.Tensor | None = None
        self._ends_with_head: bool | None = None
        self._hook: Any = None

    def __enter__(self) -> TrainedHead:
        self._hook = self._head.register_forward_pre_hook(self._keep_trained)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hook.remove()

    def loss_sum(self, model: Any, batch: MicroBatch) -> torch.Tensor:
        """Return the sum of the cross-entropies of a micro-batch's trained tokens, in 32 bit.

        Everything up to the logits is computed in the model's type.

        Args:
            model: the model this head belongs to, or a wrapper around it.
            batch: on the model's device.

        """
        with computing(self._model):
            return self._loss_sum(model, batch)

    def _loss_sum(self, model: Any, batch: MicroBatch) -> torch.Tensor:
        self._targets = batch.targets
        self._rows = None
        try:
            # [1, N, V] for N trained tokens and V words; [1, 1, V] when computed in chunks.
            logits = model(**batch.inputs, use_cache=False).logits
        finally:
            self._targets = None
        targets = batch.targets[batch.targets != NOT_TRAINED]
        if self._rows is None:
            # A head that is no module of its own: the logits are those of every position.
            logits = _trained_rows(logits, batch.targets)
            return _cross_entropy(logits, targets)
        if not self._in_chunks(len(targets)):
            return _cross_entropy(logits[0], targets)
        if self._ends_with_head is None:
            # An architecture that scales its logits behind the head would be trained on something
            # else in chunks: the model's own logits of the first row tell.
            with torch.no_grad():
                own = self._head(self._rows[:1])
            self._ends_with_head = torch.allclose(own, logits[0], rtol=1e-3, atol=1e-3)
            if not self._ends_with_head:
                return self._loss_sum(model, batch)
        return self._chunked(self._rows, targets)

    def _keep_trained(self, head: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Replace the hidden states [B, T', H] by the rows with a trained next token."""
        if self._targets is None:
            return None
        rows = _trained_rows(arguments[0], self._targets)
        self._rows = rows
        kept = rows[:1] if self._in_chunks(len(rows)) else rows
        return (kept[None], *arguments[1:])

    def _in_chunks(self, rows: int) -> bool:
        return self._ends_with_head is not False and rows * self._words > self._logits_at_once

    def _chunked(self, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of rows [N, H], a chunk of logits at a time, computed again backwards."""
        size = max(1, self._logits_at_once // self._words)
        losses = [
            checkpoint(
                self._chunk, rows[at : at + size], targets[at : at + size], use_reentrant=False
            )
            for at in range(0, len(targets), size)
        ]
        return torch.stack(losses).sum()

    def _chunk(self, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return _cross_entropy(self._head(rows), targets)


def _trained_rows(states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the rows [N, H] of [B, T', H] whose target in [B, T] is trained.

    T' exceeds T when a prompt method puts virtual tokens in front; the last T positions count.
    """
    own = states[:, -targets.shape[1] :]
    trained = (targets != NOT_TRAINED).flatten().nonzero()[:, 0]
    return own.reshape(-1, states.shape[-1]).index_select(0, trained)


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the sum of the cross-entropies of logits [N, V] to targets [N], in 32 bit."""
    return functional.cross_entropy(logits.float(), targets, reduction="sum")
