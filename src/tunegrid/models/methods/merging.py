"""A trained cell as a plain model: the adapter becomes part of the base's weights.

Owns: the route (dequantize, then merge) and the comparison of the result with what was trained.
Merging into packed weights would round them once more; into dequantized ones it rounds nothing.
"""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

from tunegrid.config.schema import CellConfig


def trained_model(config: CellConfig, base: Any, adapter: Path, steps: int) -> Any:
    """Return the base with the trained adapter over it, as the cell's answers came from it."""
    from tunegrid.models.methods.attach import attach
    from tunegrid.models.methods.attached import restore
    from tunegrid.models.seeding import seed_everything

    seed_everything(config.seed)
    model = attach(config.peft, base, steps).model
    restore(model, adapter)
    return model


def merged_model(config: CellConfig, base: Any, adapter: Path, steps: int) -> Any:
    """Return the plain model in 32 bit that equals the base with the trained adapter over it.

    Args:
        config: the cell's settings.
        base: as it was loaded to train; is used up.
        adapter: what `tunegrid.models.methods.attached.export` wrote.
        steps: optimizer steps of the run.

    """
    from tunegrid.models.methods.attached import is_peft

    config, base = _without_its_start(config, base, steps)
    model = trained_model(config, _plain(base), adapter, steps)
    if not is_peft(model):
        return model.eval()
    was_tied = untie(model)
    with warnings.catch_warnings():
        # It is decided below whether they are tied.
        warnings.filterwarnings("ignore", "Input and output embeddings are no longer tied")
        model = model.merge_and_unload()
    if was_tied:
        _tie_again_where_equal(model)
    return model.eval()


def untie(model: Any) -> bool:
    """Give the output layer weights of its own where it shares the embeddings'; return whether.

    A method on one of the two ends changes that end alone. Merged into shared weights it would
    change both.

    Args:
        model: a base, also with adapters over its layers.
    """
    from torch import nn

    first, last = (_innermost(end) for end in (
        model.get_input_embeddings(), model.get_output_embeddings()
    ))  # fmt: skip
    if last is None or first is None or last.weight is not first.weight:
        return False
    last.weight = nn.Parameter(last.weight.detach().clone(), requires_grad=False)
    return True


def _innermost(layer: Any) -> Any:
    """Return the base's own layer below what a method put over it."""
    for name in ("base_layer", "original_module"):
        while layer is not None and hasattr(layer, name):
            layer = getattr(layer, name)
    return layer


def _tie_again_where_equal(model: Any) -> None:
    """Share the two ends' weights again where they are equal, and let the config say whether."""
    import torch

    first, last = model.get_input_embeddings(), model.get_output_embeddings()
    are_equal = torch.equal(first.weight, last.weight)
    if are_equal:
        last.weight = first.weight
    for config in (model.config, model.config.get_text_config()):
        config.tie_word_embeddings = are_equal


def _without_its_start(config: CellConfig, base: Any, steps: int) -> tuple[CellConfig, Any]:
    """Return the cell and base of a method that takes its first weights out of the base's.

    PiSSA and OLoRA leave a rest in the base, which over packed weights is packed again: the
    merged model needs that rest as it was trained with, not one computed afresh in 32 bit.
    """
    from tunegrid.models.methods.attach import attach
    from tunegrid.models.seeding import seed_everything

    start = str(config.peft.options.get("init_lora_weights", ""))
    if not start.startswith(("pissa", "olora")):
        return config, base
    seed_everything(config.seed)
    rest = attach(config.peft, base, steps).model.unload()
    options = dict(config.peft.options) | {"init_lora_weights": True}
    plain_start = dataclasses.replace(config.peft, options=options)
    return dataclasses.replace(config, peft=plain_start), rest


def _plain(model: Any) -> Any:
    """Return a base with plain weights in 32 bit."""
    import torch

    from tunegrid.models.compute import convert

    if getattr(model, "is_quantized", False):
        model = model.dequantize()
        # transformers leaves these behind, and peft asks them before it merges.
        model.is_loaded_in_8bit = model.is_loaded_in_4bit = model.is_quantized = False
    return convert(model, torch.float32)
