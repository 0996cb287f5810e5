"""Methods of the peft library, by the name of their PeftType.

Owns: checking a method's options against peft, and attaching it. Knows nothing of training.

`problems` reads peft's source instead of importing it, which would import torch: a wrong option
is reported in a second. `attach` accepts every method of the installed peft, whether this project
has used it or not.

Example of a method file: `options: {type: LORA, r: 8, lora_alpha: 16, target_modules: [q_proj]}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunegrid.errors import ConfigError, all_problems
from tunegrid.methods.attached import Attached
from tunegrid.methods.peft_source import method_fields, method_names
from tunegrid.schema import Precision
from tunegrid.wiring import suggestion

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


_USES_CODES = "takes the packed codes of the weights for weights, and trains on wrong numbers"
_NO_GRADIENT = "gives its weights no gradient on packed weights"
_CANNOT = "cannot be attached to packed weights, or fails in its first pass"

_NOT_ON_PACKED = {
    "DEFT": _USES_CODES,
    "HRA": _USES_CODES,
    "PEANUT": _USES_CODES,
    "UNILORA": _NO_GRADIENT,
    "DELORA": _CANNOT,
    "FROD": _CANNOT,
    "GLORA": _CANNOT,
    "OSF": _CANNOT,
    "PSOFT": _CANNOT,
    "SUPERTUNING": _CANNOT,
    "TINYLORA": _CANNOT,
}
_NOT_ON_4_BIT = {"LOHA": _CANNOT, "LOKR": _CANNOT}


def packed_problems(options: Mapping[str, Any], precision: Precision) -> list[str]:
    """Return why a method cannot train a base whose weights are held in 8 or 4 bit.

    Each was seen with peft 0.21.2 and bitsandbytes 0.50.2 on a CPU; some would train without an
    error. Imports neither peft nor torch.

    Args:
        options: the method's options, with its `type`.
        precision: how the base's weights are held.

    """
    if precision not in (Precision.int8, Precision.nf4):
        return []
    kind = str(options.get("type", "")).upper()
    reasons = dict(_NOT_ON_PACKED)
    if precision is Precision.nf4:
        reasons |= _NOT_ON_4_BIT
    start = str(options.get("init_lora_weights", ""))
    found = [f"{kind} {reasons[kind]}"] if kind in reasons else []
    if kind == "LORA" and start.startswith("pissa"):
        found.append(f"init_lora_weights={start!r} decomposes the weights, which must be plain")
    if kind == "LORA" and options.get("use_dora") and precision is Precision.int8:
        found.append("use_dora needs the weights' norm, which peft loses in 8 bit after one pass")
    return [
        f"{problem}; use another method, or quantization=fp32 or bf16 (this is {precision.value})"
        for problem in found
    ]


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
        ConfigError: an unknown method or option, a target the base does not have, or a method that
            cannot train weights held in 8 or 4 bit.

    """
    found = problems({"type": type, **options})
    for precision, flag in (
        (Precision.int8, "is_loaded_in_8bit"),
        (Precision.nf4, "is_loaded_in_4bit"),
    ):
        if getattr(model, flag, False):
            found += packed_problems({"type": type, **options}, precision)
    if found:
        raise ConfigError(all_problems("method", found))
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    for name in _ROOT_MODULES:
        _refuse_unknown_targets(model, name, options.get(name))
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(type.upper())]
    lists = {name: _plain(value) for name, value in options.items()}
    try:
        config = config_class(task_type=peft.TaskType.CAUSAL_LM, **lists)
        if getattr(model, "is_quantized", False):
            # Checkpointing belongs to training and is switched on there; some methods forbid it.
            model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        attached = peft.get_peft_model(model, config)
    except (ImportError, NotImplementedError, TypeError, ValueError) as error:
        raise ConfigError(f"peft refuses the method {type} with {lists}: {error}") from error
    return Attached(model=attached, may_flatten=not config.is_prompt_learning)


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
    from tunegrid.methods.counts import linear_modules

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
