"""How a cell's base is held while it answers, where that is not how it was trained.

Owns: `eval.precision` and `eval.merged`: what they mean, what of them enters a name, and what does
not go together. Pure values; loads nothing.

One training can so be scored in 4 bit, in 8 bit, in half precision and merged: what a precision
costs at inference, apart from what it costs in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tunegrid.config.choices import Dtype, Engine, Precision
from tunegrid.config.schema import CellConfig, QuantizationConfig
from tunegrid.models.inference import vllm_engine
from tunegrid.models.methods.compatibility import reason_against, reason_not_to_merge

_PLAIN = {
    Precision.fp32: Dtype.float32,
    Precision.fp16: Dtype.float16,
    Precision.bf16: Dtype.bfloat16,
}


def is_as_trained(config: CellConfig) -> bool:
    """Return whether the model that was trained answers as it is."""
    return config.eval.precision is None and not config.eval.merged


def held(config: CellConfig) -> QuantizationConfig:
    """Return how the base is held while it answers."""
    precision = config.eval.precision
    if precision is None:
        return config.quantization
    return replace(
        config.quantization,
        name=precision.value,
        precision=precision,
        dtype=_PLAIN.get(precision, config.model.dtype),
    )


def facts(config: CellConfig) -> dict[str, Any]:
    """Return what of it names answers; empty where they come from the model as it was trained."""
    found: dict[str, Any] = {}
    if config.eval.precision is not None:
        one = held(config)
        found["answered_in"] = {
            "precision": one.precision,
            "dtype": one.dtype,
            "double_quantization": one.double_quantization,
            "int8_threshold": one.int8_threshold,
        }
    if config.eval.merged:
        found["merged"] = True
    if config.eval.engine is not Engine.transformers:
        found["engine"] = config.eval.engine
    return found


def label(config: CellConfig) -> str:
    """Return it in words, for rows: empty where answers come from the model as it was trained."""
    words = [] if config.eval.precision is None else [config.eval.precision.value]
    words += ["merged"] if config.eval.merged else []
    words += [] if config.eval.engine is Engine.transformers else [config.eval.engine.value]
    return " ".join(words)


def problems(config: CellConfig) -> Iterator[str]:
    """Yield why a cell cannot answer that way."""
    if config.eval.engine is Engine.vllm:
        yield from vllm_engine.problems(config)
    if is_as_trained(config):
        return
    if config.peft.function is None:
        yield (
            "eval.precision and eval.merged say how a trained cell answers; a cell without a "
            "method is held as `quantization` says: choose quantization=<precision> instead"
        )
        return
    if config.eval.tasks and config.eval.merged:
        yield (
            "eval.merged is not offered with eval.tasks: merge the cell with `tunegrid merge` and "
            "give the directory to lm-evaluation-harness"
        )
    reasons = [
        reason_against(config.peft, held(config).precision, config.model.architecture),
        reason_not_to_merge(config.peft) if config.eval.merged else None,
        _start_of_the_base(config),
    ]
    yield from (f"eval: {reason}" for reason in reasons if reason is not None)


def _start_of_the_base(config: CellConfig) -> str | None:
    """Return why a method that takes its start out of the base's weights cannot change precision.

    What it leaves in the base depends on how the base was held: over another precision the
    adapter would be added to another rest.
    """
    start = str(config.peft.options.get("init_lora_weights", ""))
    own_start = start.startswith(("pissa", "olora", "loftq", "corda", "eva"))
    if config.eval.precision in (None, config.quantization.precision) or not own_start:
        return None
    return (
        f"peft={config.peft.name} takes its start out of the base's weights ({start}), so its "
        f"adapter belongs to {config.quantization.precision.value}; leave eval.precision null"
    )
