"""Gradient checkpointing where a cell does not say: only where training would not fit otherwise.

Owns: the comparison of what a micro-batch takes with what is free, once base and method are loaded.
"""

from __future__ import annotations

import sys
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import CellConfig
from tunegrid.models.methods.compatibility import reason_against_checkpointing
from tunegrid.store.inputs import locate

SHARE_OF_FREE = 0.9
"""What of the free memory training may fill; the rest goes to fragments and to the driver."""
SMALL_PARAMETERS = 100_000_000
"""A smaller base fits wherever its data do, and is not looked at."""


def decided(config: CellConfig, model: Any, longest: int) -> bool:
    """Return whether activations are computed again instead of kept.

    Args:
        config: the cell's settings; what they say counts.
        model: the base with its method, on its device.
        longest: tokens of the longest example.

    """
    asked = config.runtime.gradient_checkpointing
    if asked is not None:
        return asked
    if reason_against_checkpointing(config.peft) is not None:
        return False
    if config.runtime.gpus_per_cell > 1 or model.num_parameters() < SMALL_PARAMETERS:
        return False
    from tunegrid.models.bases.devices import free_bytes

    device = next(model.parameters()).device
    needed, free = _needed(config, model, longest, device), free_bytes(device)
    limit = config.runtime.memory_limit_gb
    if limit is not None and device.type == "cpu":
        free = min(free, int(limit * 2**30))
    if needed is None or needed <= SHARE_OF_FREE * free:
        return False
    print(
        f"training would take {needed / 2**30:.1f} GiB beside the weights and {free / 2**30:.1f} "
        "GiB are free: activations are computed again instead of kept "
        "(runtime.gradient_checkpointing=false keeps them)",
        file=sys.stderr,
    )
    return True


def _needed(config: CellConfig, model: Any, longest: int, device: Any) -> float | None:
    """Return the bytes of a training step beside the weights; None where they cannot be told."""
    from tunegrid.training.footprint import footprint, step_bytes
    from tunegrid.training.microbatches import largest_tokens

    runtime = config.runtime
    tokens = largest_tokens(runtime.micro_batch_tokens, longest, config.train.examples_per_step)
    try:
        found = footprint(
            config.model,
            config.peft,
            config.quantization,
            rows=max(1, tokens // longest),
            width=longest,
            attention=runtime.attention,
            device=device,
            gradient_checkpointing=False,
            root=locate.CURRENT,
        )
    except (ConfigError, RuntimeError, NotImplementedError):
        return None
    text = model.config.get_text_config()
    return step_bytes(
        found,
        layers=text.num_hidden_layers,
        tokens=tokens,
        words=text.vocab_size,
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )
