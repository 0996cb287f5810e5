"""What a micro-batch takes beside the weights, for plans: found out once in a process of its own.

Owns: the fact, and its reading. The pass that finds it out is `tunegrid.training.footprint`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Attention
from tunegrid.config.fingerprint import file_sha256
from tunegrid.config.project import source_directory
from tunegrid.config.schema import CellConfig, ModelConfig, PeftConfig, QuantizationConfig
from tunegrid.models.methods.compatibility import reason_against_checkpointing
from tunegrid.plan import architecture
from tunegrid.plan.facts import REFUSED, Job
from tunegrid.training.microbatches import largest_tokens

_PROGRAM = ("training/footprint.py", "models/compute.py")


@dataclass(frozen=True)
class Activations:
    """Bytes at the fullest moment of a micro-batch; `again`: with activations computed again."""

    tokens: int
    fixed: float
    per_layer: float
    again_fixed: float | None
    again_per_layer: float | None

    def of(self, layers: int, tokens: int, *, has_checkpointing: bool) -> float:
        """Return the bytes of a micro-batch of so many tokens, of rows as long as those traced."""
        fixed, each = self.fixed, self.per_layer
        if has_checkpointing and self.again_fixed is not None and self.again_per_layer is not None:
            fixed, each = self.again_fixed, self.again_per_layer
        return (fixed + layers * each) * tokens / self.tokens


def job(config: CellConfig, *, on_cpu: bool) -> Job | None:
    """Return what finds out the activations of a cell; None of one without a method."""
    if config.peft.function is None:
        return None
    train, runtime = config.train, config.runtime
    width = train.max_length_tokens
    tokens = largest_tokens(runtime.micro_batch_tokens, width, train.examples_per_step)
    rows = max(1, tokens // width)
    package = source_directory() / "tunegrid"
    depends_on = {
        "architecture": architecture.job(config).depends_on,
        "precision": config.quantization.precision.value,
        "dtype": config.quantization.dtype.value,
        "shape": [rows, width],
        "attention": runtime.attention.value,
        "cpu": on_cpu,
        "program": [file_sha256(package / name) for name in _PROGRAM],
    }
    again = reason_against_checkpointing(config.peft) is None
    arguments = (
        config.model, config.peft, config.quantization, rows, width, runtime.attention.value,
        on_cpu, again,
    )  # fmt: skip
    return Job("activations", depends_on, traced, arguments)


def read(fact: Mapping[str, Any]) -> Activations | None:
    """Return the activations in a fact; None where they could not be found out."""
    if REFUSED in fact:
        return None
    return Activations(**fact)


def traced(
    model: ModelConfig,
    method: PeftConfig,
    quantization: QuantizationConfig,
    rows: int,
    width: int,
    attention: str,
    on_cpu: bool,
    again: bool,
) -> dict[str, Any]:
    """Return the fact; imports torch, loads no weights."""
    import torch

    from tunegrid.training.footprint import footprint

    found = [
        footprint(
            model,
            method,
            quantization,
            rows=rows,
            width=width,
            attention=Attention(attention),
            device=torch.device("cpu" if on_cpu else "cuda"),
            gradient_checkpointing=checkpointing,
            root=Path(),
        )
        for checkpointing in ([False, True] if again else [False])
    ]
    return {
        "tokens": rows * width,
        "fixed": found[0].fixed,
        "per_layer": found[0].per_layer,
        "again_fixed": found[1].fixed if again else None,
        "again_per_layer": found[1].per_layer if again else None,
    }
