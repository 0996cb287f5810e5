"""The real architecture on torch's meta device: every module and shape, and no weight.

Owns: what can be said about a base from config.json alone, in seconds and a few megabytes.
Loads no weights; a method can be attached to the skeleton as to the base.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.bases.loading import load_config, model_class
from tunegrid.bases.places import context_tokens
from tunegrid.errors import ConfigError
from tunegrid.methods.counts import Counts, count, linear_modules
from tunegrid.schema import ModelConfig


@dataclass(frozen=True)
class Skeleton:
    """An architecture without weights."""

    model: Any
    """The transformers model on the meta device."""
    context_tokens: int | None
    """The longest text it was built for; None when config.json names no limit."""

    def counts(self) -> Counts:
        """Return the parameters, a tied head counted once."""
        return count(self.model)

    def module_names(self) -> list[str]:
        """Return the dotted names of all modules."""
        return [name for name, _ in self.model.named_modules() if name]

    def linear_modules(self) -> list[str]:
        """Return the last names of the linear modules, the head left out."""
        return linear_modules(self.model)


def skeleton(model: ModelConfig, root: Path, tokenizer: Any | None = None) -> Skeleton:
    """Return the architecture of a base, built from its config.json.

    Args:
        model: which base.
        root: what a relative `model.path` is relative to.
        tokenizer: when given, its ids are checked against the size of the embedding.

    Raises:
        ConfigError: no config.json, not a causal language model, another `model_type` than
            `model.architecture`, or fewer embeddings than the tokenizer has ids.

    """
    import torch

    config = load_config(model, root)
    # The tokenizer's highest id counts, not its size: added tokens may leave gaps.
    if tokenizer is not None:
        highest = max(tokenizer.get_vocab().values())
        if highest >= config.vocab_size:
            raise ConfigError(
                f"model.path {model.path!r}: the tokenizer has the id {highest}, but config.json "
                f"says vocab_size {config.vocab_size}; tokenizer and weights do not belong together"
            )
    with torch.device("meta"):
        built = model_class(config)(config)
    return Skeleton(model=built, context_tokens=context_tokens(config))
