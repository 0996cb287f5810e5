"""What `attach(model, ...)` of every method returns, and the adapter as files.

Owns: the border between methods and training. Knows nothing of any method.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunegrid.config.errors import StageError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class MethodState:
    """What a method has to remember between steps besides its trainable weights."""

    save: Callable[[], dict[str, torch.Tensor]]
    load: Callable[[Mapping[str, torch.Tensor]], None]
    """Takes what `save` returned, in another process."""


@dataclass(frozen=True)
class Attached:
    """A model that a method has made trainable."""

    model: Any
    after_step: Callable[[int], None] | None = None
    """Called after each optimizer step, gradients still present, with the number of the step,
    from 0."""
    may_flatten: bool = True
    """Whether examples may share a row; a method that puts tokens of its own in front may not."""
    penalty: Callable[[], torch.Tensor] | None = None
    """A scalar whose gradient joins each optimizer step once; no part of any reported loss."""
    rate_factor: Callable[[str], float] | None = None
    """The learning rate of the parameter of that name, as a multiple of the run's."""
    state: MethodState | None = None
    """Saved with every checkpoint."""


def is_peft(model: Any) -> bool:
    """Return whether a method of peft, or an own one built on it, is attached to the model."""
    import peft

    return isinstance(model, peft.PeftModel)


def export(model: Any, directory: Path) -> None:
    """Write what was trained, the same bytes for the same weights.

    Adapters are written in peft's own format. It writes `target_modules` and its kin from sets, in
    an order that changes with python's hash seed; they are sorted here, as are the keys. Methods
    that train weights of the base itself give `weights.safetensors`, by the names of the base.

    Args:
        model: what a method's `attach` returned, trained.
        directory: is created; files of the same name are replaced.

    """
    from tunegrid.models.compute import computing

    if not is_peft(model):
        directory.mkdir(parents=True, exist_ok=True)
        _export_weights(model, directory / WEIGHTS)
        return
    # Methods that train an encoder of their prompt export what it gives, which has to be what
    # answers were computed with.
    with computing(model), _whole_ranks(model), _without_model_card(model):
        model.save_pretrained(str(directory), safe_serialization=True)
    for path in sorted(directory.rglob("adapter_config.json")):
        write_sorted(path)


def write_sorted(path: Path) -> None:
    """Write an adapter_config.json anew: keys and sets in order, so that equal ones are equal."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    for name, value in settings.items():
        if name in _SETS and isinstance(value, list):
            settings[name] = sorted(value)
    temporary = path.with_suffix(".tmp")
    text = json.dumps(settings, ensure_ascii=False, indent=2, sort_keys=True)
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, path)


@contextlib.contextmanager
def _whole_ranks(model: Any) -> Iterator[None]:
    """Hide which ranks AdaLoRA has pruned while its adapter is written.

    peft would cut the pruned ranks out, and sum the others in another order when it reads them
    back. Written whole they are zeros, and the answers are those of the trained model to the bit.
    """
    hidden = {
        name: config.rank_pattern
        for name, config in model.peft_config.items()
        if config.peft_type.value == "ADALORA"
    }
    for name in hidden:
        model.peft_config[name].rank_pattern = None
    try:
        yield
    finally:
        for name, pattern in hidden.items():
            model.peft_config[name].rank_pattern = pattern


@contextlib.contextmanager
def _without_model_card(model: Any) -> Iterator[None]:
    """Keep peft from describing the base in a model card, with its path on this machine."""
    model.create_or_update_model_card = lambda directory: None
    try:
        yield
    finally:
        del model.create_or_update_model_card


def _export_weights(model: Any, path: Path) -> None:
    from safetensors.torch import save_file

    weights = {
        name: parameter.detach().contiguous().cpu()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    save_file(weights, str(path))


def restore(model: Any, directory: Path) -> None:
    """Read an exported adapter into a model with the same method attached.

    Attaching first puts the base into the same state as for training (what is trained is held in
    32 bit), so that the answers are those of the trained model.

    Args:
        model: what the method's `attach` returned, weights untrained.
        directory: what `export` wrote.

    Raises:
        StageError: the adapter does not fit the method or the base.

    """
    if not is_peft(model):
        _restore_weights(model, directory / WEIGHTS)
        return
    # Methods that train an encoder of their prompt export the prompt alone, which has no place in
    # the model they train: it is read as a second adapter.
    is_prompt = model.active_peft_config.is_prompt_learning
    name = "restored" if is_prompt else "default"
    try:
        result = model.load_adapter(str(directory), adapter_name=name, is_trainable=False)
    except (RuntimeError, ValueError, KeyError) as error:
        raise _does_not_fit(directory, str(error)) from error
    strange = [*result.unexpected_keys, *(key for key in result.missing_keys if name in key)]
    if strange and not is_prompt:
        raise _does_not_fit(
            directory, f"{strange[:3]} and {len(strange)} weights in all are only in one of them"
        )
    model.set_adapter(name)


def _restore_weights(model: Any, path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    try:
        weights = load_file(str(path))
    except OSError as error:
        raise _does_not_fit(path, str(error)) from error
    own = {name: p for name, p in model.named_parameters() if p.requires_grad}
    differing = sorted(weights.keys() ^ own.keys()) or [
        f"{name} of shape {list(weights[name].shape)} instead of {list(parameter.shape)}"
        for name, parameter in own.items()
        if weights[name].shape != parameter.shape
    ]
    if differing:
        raise _does_not_fit(path, f"{differing[:3]} and {len(differing)} weights in all differ")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(weights[name])


def _does_not_fit(path: Path, found: str) -> StageError:
    return StageError(
        f"the adapter in {path} does not fit the method and the base of this cell ({found}); it "
        "was made by other settings or for another base: give the base and the method it was "
        "trained with, or train again in another results directory"
    )


WEIGHTS = "weights.safetensors"
"""The trained weights of the base, for methods that add none of their own."""
_SETS = ("target_modules", "exclude_modules", "feedforward_modules", "modules_to_save")
