"""A base for other programs, by plain words instead of a cell's settings.

Owns: from words to settings. `tunegrid.models.bases.load_model` is its public name.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from tunegrid.config.choices import Attention, Device, Dtype, Precision
from tunegrid.config.errors import ConfigError
from tunegrid.config.functions import suggestion
from tunegrid.config.schema import ModelConfig, QuantizationConfig
from tunegrid.models.bases import unnamed
from tunegrid.models.bases.loading import load_weights
from tunegrid.store.inputs import locate

_UNQUANTIZED = {
    Dtype.float32: Precision.fp32,
    Dtype.float16: Precision.fp16,
    Dtype.bfloat16: Precision.bf16,
}
Choice = TypeVar("Choice", bound=Enum)


def load_standalone(
    path: str,
    *,
    quantization: str | None,
    attention: str | None,
    dtype: str | None,
    revision: str | None,
    device: str,
) -> Any:
    """Return a base; see `tunegrid.models.bases.load_model`."""
    facts = unnamed.reader((Path.cwd(),))(path, revision)
    found = locate.find(path, (Path.cwd(),))
    model = ModelConfig(path=path if found is None else str(found), revision=revision, **facts)
    computed = model.dtype if dtype is None else _choice("dtype", dtype, Dtype)
    precision = _UNQUANTIZED[computed]
    if quantization is not None:
        precision = _choice("quantization", quantization, Precision)
        if precision not in (Precision.int8, Precision.nf4):
            raise ConfigError(
                f"quantization is {quantization!r}; accepted: int8, nf4, or None with dtype="
            )
    held = QuantizationConfig(name=precision.value, precision=precision, dtype=computed)
    kernel = Attention.auto if attention is None else _choice("attention", attention, Attention)
    return load_weights(
        model,
        held,
        root=locate.CURRENT,
        device=_choice("device", device, Device),
        attention=kernel,
    )


def _choice(name: str, word: str, choices: type[Choice]) -> Choice:
    accepted = [one.value for one in choices]
    if word not in accepted:
        raise ConfigError(
            f"{name} is {word!r}{suggestion(word, accepted)}; accepted: {', '.join(accepted)}"
        )
    return choices(word)
