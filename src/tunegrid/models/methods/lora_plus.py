"""LoRA+: LoRA whose second matrix learns faster than its first (arXiv 2402.12354).

Owns: the ratio of the two learning rates. Everything else is LoRA of the peft library, also in the
exported adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.models.methods import library
from tunegrid.models.methods.attached import Attached


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options; imports neither peft nor torch."""
    ratio = options.get("ratio", 1.0)
    found = []
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not ratio > 0:
        found.append(
            f"peft.options.ratio is {ratio!r}; it must be a number above 0 (the paper recommends "
            "16; 1 is LoRA)"
        )
    rest = {name: value for name, value in options.items() if name != "ratio"}
    return found + library.problems({"type": "LORA", **rest})


def without_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that do not repeat a default; see `library.without_defaults`."""
    found = library.without_defaults({"type": "LORA", **options})
    return {name: value for name, value in found.items() if name != "type"}


def attach(model: Any, *, ratio: float, **options: Any) -> Attached:
    """Return the base with LoRA attached, B learning `ratio` times as fast as A.

    Args:
        model: a causal language model of transformers.
        ratio: above 0; the paper's lambda (section 4).
        options: fields of `peft.LoraConfig`.

    Raises:
        ConfigError: as `library.attach`, or a ratio that is no positive number.

    """
    found = problems({"ratio": ratio, **options})
    if found:
        raise ConfigError(all_problems("method", found))
    attached = library.attach(model, type="LORA", **options)

    def factor(name: str) -> float:
        return float(ratio) if ".lora_B." in name or ".lora_embedding_B" in name else 1.0

    return replace(attached, rate_factor=factor)
