"""Losses of twenty steps in bf16 beside those in fp32, from the same weights on the same data."""

from __future__ import annotations

import argparse
from typing import Any

from gpu_parts import bases
from tunegrid.config.choices import Precision
from tunegrid.models.methods.attached import Attached

STEPS = 20


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return the drop of the loss in both types, LoRA and full fine-tuning of a small LLaMA."""
    found: dict[str, Any] = {}
    small = argparse.Namespace(**{**vars(options), "tiny": True})
    drawn = bases.examples(64, small)
    for method in ("lora", "full"):
        drops = []
        for precision in (Precision.fp32, Precision.bf16):
            model = bases.base("llama", small, precision)
            attached = bases.lora(model, "llama") if method == "lora" else _full(model)
            report = bases.trained(attached, drawn, STEPS, learning_rate=3e-3)
            drops.append(report.first_loss - report.last_loss)
            if precision is Precision.bf16:
                found[f"{method}_changed_share"] = report.changed_share
            bases.free()
        found[f"{method}_drop_fp32"], found[f"{method}_drop_bf16"] = drops
        found[f"{method}_bf16_by_fp32"] = drops[1] / drops[0]
    return found


def _full(model: Any) -> Attached:
    from tunegrid.config.schema import PeftConfig
    from tunegrid.models.methods.attach import attach

    return attach(PeftConfig(name="full", function="base_weights.full"), model, STEPS)
