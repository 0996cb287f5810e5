"""Bases: loading a pretrained model and its tokenizer, and its skeleton without weights.

`load_model` is for other programs: everything else here takes a cell's settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load_model(
    path: str | Path,
    *,
    quantization: str | None = None,
    attention: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    device: str = "auto",
) -> Any:
    """Return any base in the hub's form, ready for a method to be attached and trained.

    The architectures of 2023 that transformers lacks load natively; code that comes with a base
    is never run, and pickled weights are read as tensors alone.

    Args:
        path: a directory with config.json and weights, or a repository id of the hub.
        quantization: `int8` or `nf4` holds the weights so; None as they are.
        attention: `eager`, `sdpa` or `flash_attention_2`; None chooses.
        dtype: `float32`, `bfloat16` or `float16`, of the weights and the computation; None takes
            the type that config.json states.
        revision: commit or tag on the hub.
        device: `cpu`, `cuda` or `auto`.

    Raises:
        ConfigError: files that are no base, or that do not fit its config.json: missing,
            unexpected and mis-shaped weights are named.
    """
    from tunegrid.models.bases.standalone import load_standalone

    return load_standalone(
        str(path),
        quantization=quantization,
        attention=attention,
        dtype=dtype,
        revision=revision,
        device=device,
    )
