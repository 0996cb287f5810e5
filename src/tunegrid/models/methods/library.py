"""Methods of the peft library, by the name of their PeftType.

Owns: checking a method's options against peft, and attaching it. Knows nothing of training.

`problems` reads peft's source instead of importing it, which would import torch: a wrong option
is reported in a second. `attach` accepts every method of the installed peft, whether this project
has used it or not.

Example of a method file: `options: {type: LORA, r: 8, lora_alpha: 16, target_modules: [q_proj]}`.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Mapping
from typing import Any

from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.config.functions import is_same, suggestion
from tunegrid.models.methods.attached import Attached
from tunegrid.models.methods.peft_source import field_defaults, method_fields, method_names

_OURS = (
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "peft_type",
    "peft_version",
    "revision",
    "task_type",
)
"""Fields that follow from the cell and are not a method's options."""

_ROOT_MODULES = ("target_modules", "feedforward_modules")


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a method's options; imports neither peft nor torch.

    Args:
        options: `type` and the fields of that method's config class in peft.

    """
    if "type" not in options:
        return [f"peft.options.type is missing{suggestion('', method_names())}"]
    kind = str(options["type"]).upper()
    if kind not in method_names():
        named = options["type"]
        return [
            f"peft.options.type {named!r} is no method of peft{suggestion(kind, method_names())}"
        ]
    accepted = [name for name in method_fields(kind) if name not in _OURS]
    found = [
        f"peft.options.{name} is no option of {kind}{suggestion(name, [*accepted, 'type'])}"
        for name in options
        if name != "type" and name not in accepted
    ]
    return found + [
        text for name, value in options.items() for text in _value_problems(name, value)
    ]


def without_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a method's options tells it from the method as it was first named.

    An option that only repeats its default is left out. A default that a later peft changes is
    written out: the same YAML then means other weights.

    Args:
        options: `type` and the fields of that method's config class in peft.

    """
    kind = str(options.get("type", "")).upper()
    if kind not in method_names():
        return dict(options)
    installed = {n: v for n, v in field_defaults(kind).items() if n not in _OURS}
    first = installed | _frozen_defaults().get(kind, {})
    used = installed | {name: value for name, value in options.items() if name != "type"}
    kept = {n: v for n, v in used.items() if n not in first or not is_same(v, first[n])}
    return {"type": kind, **kept}


@functools.cache
def _frozen_defaults() -> dict[str, dict[str, Any]]:
    """Return the defaults that peft 0.21 had, by method: identities leave out what equals them.

    An entry is never changed; methods that a later peft brings are added.
    """
    file = importlib.resources.files("tunegrid.models.methods") / "peft_defaults.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _value_problems(name: str, value: Any) -> list[str]:
    """Return what is wrong with the value of an option whose name says what it may be."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in ("r", "init_r", "target_r", "num_virtual_tokens") and not (
        isinstance(value, int) and number and value >= 1
    ):
        return [f"peft.options.{name} is {value!r}; it must be a whole number of at least 1"]
    if (name == "alpha" or name.endswith("_alpha")) and not (number and value > 0):
        return [f"peft.options.{name} is {value!r}; it must be a number above 0"]
    if name.endswith("dropout") and not (number and 0 <= value < 1):
        return [f"peft.options.{name} is {value!r}; it must be from 0 to below 1"]
    if name in _ROOT_MODULES and value in ([], ""):
        return [
            f"peft.options.{name} is empty; name at least one module (conf/model/<base>.yaml "
            "lists them as attention_modules and linear_modules)"
        ]
    return []


def attach(model: Any, *, type: str, **options: Any) -> Attached:
    """Return the base with a method of peft attached; only the method's weights are trainable.

    Works on a base, on a quantized base and on a skeleton on the meta device. The new weights are
    drawn from torch's generator: seed it first.

    Args:
        model: a causal language model of transformers.
        type: the method's name in `peft.PeftType`, such as `LORA`.
        options: fields of the method's config class in peft.

    Raises:
        ConfigError: an unknown method or option, a target the base does not have, or a rank above
            the size of a matrix.

    """
    return attach_with(model, {"type": type, **options}, {})


def attach_with(model: Any, options: Mapping[str, Any], computed: Mapping[str, Any]) -> Attached:
    """Return the base with a method of peft attached; see `attach`.

    Args:
        model: a causal language model of transformers.
        options: as a YAML gives them, with `type`.
        computed: further fields of the config class, that follow from the run.

    """
    found = problems(options)
    if found:
        raise ConfigError(all_problems("method", found))
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    kind = str(options["type"]).upper()
    for name in _ROOT_MODULES:
        _refuse_unknown_targets(model, name, options.get(name))
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(kind)]
    plain = {name: _plain(value) for name, value in options.items() if name != "type"}
    if options.get("use_dora"):
        _keep_scales_of_int8()
    try:
        config = config_class(task_type=peft.TaskType.CAUSAL_LM, **plain, **computed)
        attached = peft.get_peft_model(made_ready(model), config)
    except (ImportError, NotImplementedError, TypeError, ValueError) as error:
        raise ConfigError(f"peft refuses the method {kind} with {plain}: {error}") from error
    _refuse_high_ranks(attached, kind, options)
    if getattr(model, "is_loaded_in_8bit", False):
        _forget_old_scales(attached)
    return Attached(model=attached, may_flatten=not config.is_prompt_learning)


def made_ready(model: Any) -> Any:
    """Return the base as a method can train it: frozen.

    peft's own preparation of a packed base would turn everything else to 32 bit: embeddings and
    head take twice the memory, and every layer computes in 32 bit (docs/decisions/047).
    """
    model.requires_grad_(False)
    return model


def _keep_scales_of_int8() -> None:
    """Make DoRA read 8-bit weights with their scales, which peft 0.21 drops on CPUs.

    peft moves the weight to its own device before it dequantizes it, and the copy has no scales:
    the second forward pass fails. The state of the layer keeps them.
    """
    from bitsandbytes.nn import Linear8bitLt
    from peft.tuners.lora import dora
    from peft.utils.integrations import dequantize_bnb_weight, dequantize_module_weight

    def dequantized(module: Any) -> Any:
        if isinstance(module, Linear8bitLt):
            weight: Any = module.weight
            return dequantize_bnb_weight(weight, state=module.state)
        return dequantize_module_weight(module)

    dora.dequantize_module_weight = dequantized


def _forget_old_scales(model: Any) -> None:
    """Drop the scales that 8-bit layers remember where OLoRA has given them new weights.

    peft puts the scales of the weight it read into the layer's state and then replaces the weight;
    a later dequantization would multiply the new codes with the old scales (65 % off).
    """
    from bitsandbytes.nn import Linear8bitLt

    # peft's own layers have the same name.
    layers: list[Any] = [m for m in model.modules() if isinstance(m, Linear8bitLt)]
    for layer in layers:
        if layer.weight.SCB is not None:
            layer.state.CB = layer.state.SCB = None


_LOW_RANK = {"LORA": "r", "ADALORA": "init_r", "LOHA": "r", "MISS": "r", "RANDLORA": "r"}
"""Methods whose update of a matrix has this rank, by the name of the option."""


def _refuse_high_ranks(model: Any, kind: str, options: Mapping[str, Any]) -> None:
    """Raise when a rank exceeds a matrix that it is to approximate."""
    rank = options.get(_LOW_RANK.get(kind, ""))
    if rank is None:
        return
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers: dict[str, Any] = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, BaseTunerLayer) and hasattr(module, "in_features")
    }
    sizes = {name: min(one.in_features, one.out_features) for name, one in layers.items()}
    low = {name.rpartition(".")[2]: size for name, size in sizes.items() if size < rank}
    if low:
        named = ", ".join(f"{name} ({size})" for name, size in sorted(low.items()))
        raise ConfigError(
            f"peft.options.{_LOW_RANK[kind]} is {rank}, above the size of {named}; "
            f"accepted: 1 to {min(low.values())}"
        )


def _plain(value: Any) -> Any:
    """Return lists and mappings of a config as python's own: peft compares their types."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return [_plain(entry) for entry in value]
    return value


def _refuse_unknown_targets(model: Any, option: str, targets: Any) -> None:
    """Raise when a target is no module: peft itself says so only when all of them are missing."""
    if targets is None or targets == "all-linear":
        return
    from tunegrid.models.parameters import linear_modules

    names = [name for name, _ in model.named_modules()]
    if isinstance(targets, str):
        missing = [] if any(re.fullmatch(targets, name) for name in names) else [targets]
    else:
        missing = [
            target
            for target in targets
            if not any(name == target or name.endswith(f".{target}") for name in names)
        ]
    if missing:
        raise ConfigError(
            f"peft.options.{option} names {', '.join(map(repr, missing))}, which "
            f"{type(model).__name__} does not have; its linear modules are "
            f"{', '.join(linear_modules(model))}"
        )
