"""The trainable weights of a model as a file, whole also where processes hold parts of them.

Owns: what a checkpoint holds of a model. Knows nothing of when it is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tunegrid.config.errors import StageError
from tunegrid.training import process_group, sharding


def save_trainable(model: Any, path: Path) -> None:
    """Write every trainable parameter by its name; the frozen base is not repeated.

    Where processes hold parts of the weights, all of them have to call; one writes.
    """
    weights = {
        name: sharding.whole(parameter.detach()).contiguous().cpu()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    if process_group.is_main_process():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, str(path))


def load_trainable(model: Any, path: Path) -> None:
    """Read what `save_trainable` wrote into the model, exactly.

    Raises:
        StageError: the file does not hold exactly the model's trainable parameters.

    """
    weights = load_file(str(path))
    own = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if weights.keys() != own.keys():
        differing = sorted(weights.keys() ^ own.keys())
        raise StageError(
            f"{path} does not fit the method that is attached: {differing[:3]} and "
            f"{len(differing)} in all are only in one of them; remove the checkpoint directory"
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(sharding.divided_like(weights[name], parameter))
