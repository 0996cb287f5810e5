"""The most memory a cell needs: a formula, corrected by what like cells have needed.

Owns: the formula (docs/planning.md has it with its sources). Plain arithmetic.

Peak = weights + the larger of training (gradients, optimizer, activations, logits) and generation
(keys and values, logits), on a CPU plus what the process itself takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunegrid.plan.architecture import Architecture
from tunegrid.training.microbatches import largest_tokens

if TYPE_CHECKING:
    from tunegrid.plan.activations import Activations

LOGITS_AT_ONCE = 2**26
"""As `tunegrid.training.loss_head` has it, which cannot be imported without torch."""
PROCESS_BYTES = 525 * 2**20
"""Resident memory of a process that has imported what a cell imports, measured on a CPU."""
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
SHARE_OF_MEMORY = 0.9
"""What of a device's memory a cell may fill; the rest goes to its driver and to fragments."""
NF4_BLOCK = 64
"""Weights that share a scale, bitsandbytes' default."""
NF4_BLOCKS_OF_SCALES = 256
STATES = {"sgd": 1, "adafactor": 0, "8bit": 2 / 4, "lion": 1}
"""32-bit numbers a weight that an optimizer keeps, by a part of its name; two for any other."""


@dataclass(frozen=True)
class Setting:
    """What of a cell's settings its memory depends on."""

    precision: str
    dtype: str
    has_double_quantization: bool
    micro_batch_tokens: int
    generation_batch_tokens: int
    max_length_tokens: int
    examples_per_step: int
    has_gradient_checkpointing: bool | None
    """None: where it would not fit otherwise."""
    attention: str
    optimizer: str
    generates: bool


def setting(config: Mapping[str, Any]) -> Setting:
    """Return what memory depends on, from a cell's settings as cell.json has them.

    Raises:
        KeyError: a setting is missing.
    """
    quantization, runtime, train = config["quantization"], config["runtime"], config["train"]
    asked = config["eval"]
    return Setting(
        precision=quantization["precision"],
        dtype=quantization["dtype"],
        has_double_quantization=quantization["double_quantization"],
        micro_batch_tokens=runtime["micro_batch_tokens"],
        generation_batch_tokens=runtime["generation_batch_tokens"],
        max_length_tokens=train["max_length_tokens"],
        examples_per_step=train["examples_per_step"],
        has_gradient_checkpointing=runtime["gradient_checkpointing"],
        attention=runtime["attention"],
        optimizer=train["optimizer"],
        generates=bool(any(asked["benchmarks"].values()) or asked["tasks"]),
    )


def peak_bytes(
    one: Architecture, given: Setting, *, on_cpu: bool, activations: Activations | None = None
) -> float:
    """Return the estimated peak of a cell's memory in bytes.

    Args:
        one: the base with its method.
        given: the settings.
        on_cpu: whether the process itself counts.
        activations: as they were traced; None takes the formula.
    """
    work = training_bytes(one, given, activations) if one.trainable else 0.0
    if given.generates:
        work = max(work, generation_bytes(one, given))
    return weight_bytes(one, given) + work + (PROCESS_BYTES if on_cpu else 0)


def weight_bytes(one: Architecture, given: Setting) -> float:
    """Return the bytes of all weights, the method's included."""
    width = BYTES[given.dtype]
    added = max(0, one.total - one.base)
    # What is trained is held in 32 bit, whatever the base is held in.
    wider = (one.trainable - min(one.trainable, added)) * (4 - width)
    if given.precision not in ("int8", "nf4"):
        return one.base * width + wider + added * 4
    if given.precision == "int8":
        packed = 1.0
    else:
        scale = 1 + 4 / NF4_BLOCKS_OF_SCALES if given.has_double_quantization else 4
        packed = 0.5 + scale / NF4_BLOCK
    rest = one.base - one.quantizable
    # One matrix at a time is unpacked to compute with.
    unpacked = one.largest_linear * width
    return one.quantizable * packed + rest * width + wider + unpacked + added * 4


def training_bytes(
    one: Architecture, given: Setting, activations: Activations | None = None
) -> float:
    """Return the bytes of gradients, optimizer, activations and logits of a training step."""
    width = BYTES[given.dtype]
    states = next((n for part, n in STATES.items() if part in given.optimizer.lower()), 2)
    optimizer = one.trainable * 4 * (1 + states)
    tokens = largest_tokens(
        given.micro_batch_tokens, given.max_length_tokens, given.examples_per_step
    )
    again = bool(given.has_gradient_checkpointing)
    layer = activation_bytes(one, given)
    if activations is not None:
        kept = activations.of(one.layers, tokens, has_checkpointing=again)
    elif again:
        kept = tokens * (one.layers * one.hidden * width + layer)
    else:
        kept = tokens * one.layers * layer
    logits = min(tokens * one.vocabulary, LOGITS_AT_ONCE) * (width + 4 + 4)
    return optimizer + kept + logits


def with_checkpointing_where_needed(
    one: Architecture,
    given: Setting,
    *,
    on_cpu: bool,
    activations: Activations | None,
    available: float | None,
) -> Setting:
    """Return the settings with gradient checkpointing decided, as training decides it.

    Args:
        one: the base with its method.
        given: the settings.
        on_cpu: whether the process itself counts.
        activations: as they were traced.
        available: memory of the device; None where it is not known, and nothing is decided then.
    """
    if given.has_gradient_checkpointing is not None:
        return given
    can = activations is None or activations.again_fixed is not None
    peak = peak_bytes(one, given, on_cpu=on_cpu, activations=activations)
    needed = available is not None and can and peak > SHARE_OF_MEMORY * available
    return replace(given, has_gradient_checkpointing=needed)


def activation_bytes(one: Architecture, given: Setting) -> float:
    """Return the bytes that one token leaves in one layer, where they could not be traced.

    Korthikanti et al. (arXiv 2205.05198, section 4.1) count 34 bytes x hidden for a plain layer of
    16 bit: 17 numbers, 8 of them of the feed-forward part. A gated one keeps three of its width.
    """
    width = BYTES[given.dtype]
    numbers = 9 * one.hidden + (3 if one.is_gated else 2) * one.inner
    scores = 0.0
    if given.attention == "eager":
        scores = one.heads * given.max_length_tokens * (2 * width + 1)
    return numbers * width + scores


def generation_bytes(one: Architecture, given: Setting) -> float:
    """Return the bytes of keys, values and one position's logits of a generation batch."""
    width = BYTES[given.dtype]
    cache = given.generation_batch_tokens * one.layers * 2 * one.key_value_size * width
    rows = max(1, given.generation_batch_tokens // given.max_length_tokens)
    return cache + rows * one.vocabulary * (width + 4)
