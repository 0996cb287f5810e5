"""What `attach(model, ...)` of every method returns, and the adapter as files.

Owns: the border between methods and training. Knows nothing of any method.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.errors import StageError


@dataclass(frozen=True)
class Attached:
    """A model that a method has made trainable."""

    model: Any
    after_step: Callable[[int], None] | None = None
    """Called after each optimizer step, gradients still present, with the number of the step,
    from 0."""
    may_flatten: bool = True
    """Whether examples may share a row; a method that puts tokens of its own in front may not."""


def export(model: Any, directory: Path) -> None:
    """Write the adapter in peft's own format, the same bytes for the same weights.

    peft writes `target_modules` and its kin from sets, in an order that changes with python's hash
    seed; they are sorted here, as are the keys.

    Args:
        model: a peft model.
        directory: is created; files of the same name are replaced.

    """
    model.save_pretrained(str(directory), safe_serialization=True)
    # peft describes the base in a model card with the path of this machine.
    (directory / "README.md").unlink(missing_ok=True)
    for path in sorted(directory.rglob("adapter_config.json")):
        settings = json.loads(path.read_text(encoding="utf-8"))
        for name, value in settings.items():
            if name in _SETS and isinstance(value, list):
                settings[name] = sorted(value)
        temporary = path.with_suffix(".tmp")
        text = json.dumps(settings, ensure_ascii=False, indent=2, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, path)


def restore(model: Any, directory: Path) -> None:
    """Read an exported adapter into a model with the same method attached.

    Attaching first puts the base into the same state as for training (peft turns norms and
    embeddings of a quantized base to 32 bit), so that the answers are those of the trained model.

    Args:
        model: what the method's `attach` returned, weights untrained.
        directory: what `export` wrote.

    Raises:
        StageError: the adapter does not fit the method.

    """
    # Methods that train an encoder of their prompt export the prompt alone, which has no place in
    # the model they train: it is read as a second adapter.
    is_prompt = model.active_peft_config.is_prompt_learning
    name = "restored" if is_prompt else "default"
    try:
        result = model.load_adapter(str(directory), adapter_name=name, is_trainable=False)
    except (RuntimeError, ValueError, KeyError) as error:
        raise StageError(
            f"the adapter in {directory} does not fit the method of this cell ({error}); it was "
            "exported by other settings: train again in another results directory"
        ) from error
    strange = [*result.unexpected_keys, *(key for key in result.missing_keys if name in key)]
    if strange and not is_prompt:
        raise StageError(
            f"the adapter in {directory} does not fit the method of this cell: {strange[:3]} and "
            f"{len(strange)} weights in all are only in one of them; train again"
        )
    model.set_adapter(name)


_SETS = ("target_modules", "exclude_modules", "feedforward_modules", "modules_to_save")
