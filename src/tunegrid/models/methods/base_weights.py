"""Methods that train weights of the base itself: all of them, its biases, or its last layers.

Owns: which weights are trainable. They add none of their own; what was trained is exported by the
base's own names (`tunegrid.models.methods.attached.export`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.models.methods.attached import Attached


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options; imports no torch."""
    layers = options.get("last_layers", 1)
    if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
        return [
            f"peft.options.last_layers is {layers!r}; it must be a whole number of at least 1, at "
            "most the layers of the base"
        ]
    return []


def full(model: Any) -> Attached:
    """Return the base with every weight trainable.

    Raises:
        ConfigError: a base whose weights are packed in 8 or 4 bit.

    """
    if getattr(model, "is_quantized", False):
        raise ConfigError(_packed("full fine-tuning"))
    model.requires_grad_(True)
    return Attached(model=model)


def bitfit(model: Any) -> Attached:
    """Return the base with its biases alone trainable, norms' included (arXiv 2106.10199).

    Raises:
        ConfigError: an architecture without biases.

    """
    from tunegrid.models.methods.library import made_ready

    is_packed = bool(getattr(model, "is_quantized", False))
    model = made_ready(model)
    model.requires_grad_(False)
    biases = [p for name, p in model.named_parameters() if name.rpartition(".")[2] == "bias"]
    if not biases:
        raise ConfigError(
            f"bitfit trains biases, and {type(model).__name__} has none; "
            "use ln_tuning, which trains the norms"
        )
    for bias in biases:
        bias.requires_grad_(True)
    if is_packed:
        # The Trainer takes packed weights only with something trainable beside them, and looks
        # for an adapter; the biases are plain numbers and train like one.
        model._hf_peft_config_loaded = True
    return Attached(model=model)


def freeze(model: Any, *, last_layers: int, norm: bool = True, head: bool = False) -> Attached:
    """Return the base with its last layers alone trainable.

    Args:
        model: a causal language model of transformers.
        last_layers: how many, from 1 to the layers of the base.
        norm: whether the norm behind the last layer is trained too.
        head: whether the head is trained too, and with it the embeddings where they are tied.

    Raises:
        ConfigError: packed weights, or more layers than the base has.

    """
    import torch

    if getattr(model, "is_quantized", False):
        raise ConfigError(_packed("training its last layers"))
    total = model.config.get_text_config().num_hidden_layers
    name, blocks = next(
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == total
    )
    if last_layers > total:
        raise ConfigError(
            f"peft.options.last_layers is {last_layers}, but the base has {total}; "
            f"accepted: 1 to {total}"
        )
    model.requires_grad_(False)
    blocks[total - last_layers :].requires_grad_(True)
    if norm:
        # The norm stands behind the blocks, in the module that holds them.
        behind = list(model.get_submodule(name.rpartition(".")[0]).children())
        position = next(i for i, module in enumerate(behind) if module is blocks)
        for module in behind[position + 1 :]:
            module.requires_grad_(True)
    if head:
        model.get_output_embeddings().requires_grad_(True)
    return Attached(model=model)


def _packed(what: str) -> str:
    return (
        f"{what} needs plain weights: those packed in 8 or 4 bit are whole numbers, which take no "
        "gradient; use quantization=fp32 or bf16, or peft=qlora over nf4"
    )
