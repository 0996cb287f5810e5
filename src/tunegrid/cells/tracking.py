"""Training curves to Weights & Biases, where a cell asks for it.

Owns: the W&B run of a cell. train.jsonl stays the source of truth. The key is read by wandb from
WANDB_API_KEY and nothing of the environment is passed on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, cast

from tunegrid.cells.identity import Cell
from tunegrid.config.schema import LoggingConfig

SHOWN = ("model", "peft", "quantization", "data", "prompt", "train", "seed")
"""What a dashboard filters and groups by."""


class Tracker:
    """A context manager around one W&B run; does nothing unless `logging.wandb` is set.

    The run's id is the cell's hash, so that a continued cell continues its run. It is finished
    at the end of the block: a later cell of the same process would otherwise log into it.
    """

    def __init__(self, logging: LoggingConfig, cell: Cell, directory: Path) -> None:
        self.logging = logging
        self.cell = cell
        self.directory = directory
        self._run: Any = None

    def __enter__(self) -> Tracker:
        if self.logging.wandb:
            import wandb

            os.environ.setdefault("WANDB_SILENT", "true")
            record = self.cell.record()
            self._run = wandb.init(
                project=self.logging.project,
                name=self.cell.train_id,
                id=self.cell.train_id.rpartition("-")[2],
                resume="allow",
                mode=cast(Literal["online", "offline", "disabled"], self.logging.mode),
                dir=str(self.directory),
                config={group: record["config"][group] for group in SHOWN},
            )
        return self

    def log(self, record: Mapping[str, Any]) -> None:
        """Send one record of the training curve."""
        if self._run is not None:
            values = {f"train/{k}": v for k, v in record.items() if k != "step"}
            self._run.log(values, step=record["step"])

    def summarize(self, facts: Mapping[str, Any]) -> None:
        """Send the facts of the finished training."""
        if self._run is not None:
            plain = {k: v for k, v in facts.items() if isinstance(v, int | float | str)}
            self._run.summary.update(plain)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._run is not None:
            self._run.finish(exit_code=0 if kind is None else 1)
