"""The real architecture on torch's meta device: every module and shape, and no weight.

Owns: what can be said about a base from config.json alone, in seconds and a few megabytes.
Loads no weights; a method can be attached to the skeleton as to the base.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import ModelConfig
from tunegrid.models.architectures.registration import register
from tunegrid.models.bases.devices import context_tokens
from tunegrid.models.bases.loading import load_config, model_class
from tunegrid.models.parameters import Counts, count, linear_modules
from tunegrid.store.inputs.hub_commit import cached_config
from tunegrid.store.inputs.locate import is_repository_id


@dataclass(frozen=True)
class Skeleton:
    """An architecture without weights."""

    model: Any
    """The transformers model on the meta device."""
    context_tokens: int | None
    """The longest text it was built for; None when config.json names no limit."""
    source: str = "config.json"
    """Where its numbers come from: `config.json`, or `model.architecture_config`."""

    def counts(self) -> Counts:
        """Return the parameters, a tied head counted once."""
        return count(self.model)

    def module_names(self) -> list[str]:
        """Return the dotted names of all modules."""
        return [name for name, _ in self.model.named_modules() if name]

    def linear_modules(self) -> list[str]:
        """Return the last names of the linear modules, the head left out."""
        return linear_modules(self.model)


def skeleton(
    model: ModelConfig, root: Path, tokenizer: Any | None = None, *, may_be_stated: bool = False
) -> Skeleton:
    """Return the architecture of a base, built from its config.json.

    Args:
        model: which base.
        root: what a relative `model.path` is relative to.
        tokenizer: when given, its ids are checked against the size of the embedding.
        may_be_stated: whether `model.architecture_config` will do where no config.json is at hand;
            no network is asked then.

    Raises:
        ConfigError: no config.json, not a causal language model, another `model_type` than
            `model.architecture`, or fewer embeddings than the tokenizer has ids.

    """
    import torch

    is_stated = may_be_stated and bool(model.architecture_config) and not _is_at_hand(model, root)
    config = _stated_config(model) if is_stated else load_config(model, root)
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
    return Skeleton(
        model=built,
        context_tokens=context_tokens(config),
        source="model.architecture_config" if is_stated else "config.json",
    )


def config_of(model: ModelConfig, root: Path) -> Any:
    """Return a base's transformers config: its config.json, or what its settings state.

    Raises:
        ConfigError: neither is there, or it is no causal language model's.

    """
    if model.architecture_config and not _is_at_hand(model, root):
        return _stated_config(model)
    return load_config(model, root)


def _is_at_hand(model: ModelConfig, root: Path) -> bool:
    """Return whether the base's config.json is in its directory or in the cache of the hub."""
    directory = root / model.path
    if directory.is_dir():
        return (directory / "config.json").is_file()
    # A directory that is not there yet is nothing the hub could be asked for.
    if not is_repository_id(model.path):
        return False
    return cached_config(model.path, model.revision) is not None


def _stated_config(model: ModelConfig) -> Any:
    """Return the transformers config that `model.architecture_config` states.

    Raises:
        ConfigError: a `model_type` that transformers does not know, or another one than
            `model.architecture`.

    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    register()
    stated = dict(model.architecture_config)
    kind = stated.pop("model_type", model.architecture)
    if kind != model.architecture:
        raise ConfigError(
            f"model.architecture is {model.architecture!r}, but model.architecture_config says "
            f"model_type {kind!r}; they must be the same"
        )
    if kind not in CONFIG_MAPPING:
        raise ConfigError(
            f"model.architecture_config: {kind!r} is no model_type that transformers or "
            "tunegrid.models.architectures knows; correct model.architecture"
        )
    return CONFIG_MAPPING[kind].from_dict(stated)
