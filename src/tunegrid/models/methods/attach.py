"""A method's function called with its options, and with what the run itself knows.

Owns: what the pipeline supplies to `attach` besides the options of the YAML.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tunegrid.config.functions import find_function
from tunegrid.config.schema import PeftConfig
from tunegrid.models.methods.attached import Attached

SUPPLIED = ("model", "steps")
"""Arguments that no YAML gives; a function declares `steps` when its method has a schedule."""
PLANNED_STEPS = 1000
"""Stands for the steps of a run whose data was not read yet."""


def attach(peft: PeftConfig, model: Any, steps: int) -> Attached:
    """Return the base with the method attached; only the method's weights are trainable.

    What is trained is held in 32 bit, whatever the base is held in (`tunegrid.models.compute`).

    Args:
        peft: the method; must have a function.
        model: a base, a quantized base, or a skeleton on the meta device.
        steps: optimizer steps of the run.

    Raises:
        ConfigError: a method that the base cannot take.

    """
    if peft.function is None:
        raise ValueError("a cell without a method has nothing to attach")
    function = find_function("peft", peft.function)
    known = {"steps": steps} if "steps" in inspect.signature(function).parameters else {}
    from tunegrid.models.compute import hold_trained_in_32_bit

    attached: Attached = function(model, **known, **peft.options)
    hold_trained_in_32_bit(attached.model)
    return attached


def attach_to_skeleton(peft: PeftConfig, build: Callable[[], Any], steps: int) -> Attached:
    """Return an architecture without weights with the method attached, itself without weights.

    Args:
        peft: the method; must have a function.
        build: returns the model on the meta device; called again if the first try spoils it.
        steps: optimizer steps of the run, or `PLANNED_STEPS`.

    Raises:
        ConfigError: a method that the base cannot take.

    """
    import torch

    try:
        # Methods with fixed random matrices would make gigabytes of them on the CPU.
        with torch.device("meta"):
            return attach(peft, build(), steps)
    except (NotImplementedError, RuntimeError) as error:
        if "meta tensor" not in str(error):
            raise
    # Some read values of what they have just made (BOFT), which there are none of on meta.
    return attach(peft, build(), steps)
