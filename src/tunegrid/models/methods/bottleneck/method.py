"""Bottleneck adapters: small networks between the layers of a frozen base.

Owns: the method's options and their checks. The layers are in `bottleneck_layer`, their places in
`bottleneck_tuner`; both import torch, this module does not until `attach` is called.

No maintained library has them for current models, so they are a tuner of peft's own kind: saved,
loaded, switched off and exchanged like any adapter of peft. They cannot be merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.config.functions import suggestion
from tunegrid.models.methods.attached import Attached

PLACEMENTS = (
    "after_mlp",
    "around_mlp",
    "after_attention_and_mlp",
    "beside_attention",
    "beside_mlp",
)
INITIALIZATIONS = ("identity", "normal")
ACTIVATIONS = ("gelu", "leaky_relu", "relu", "relu6", "sigmoid", "silu", "swish", "tanh")


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options; imports neither peft nor torch."""
    found = []
    size = options.get("bottleneck_size", 1)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        found.append(
            f"peft.options.bottleneck_size is {size!r}; it must be a whole number of at least 1 "
            "(the study's rows have 32 and 256)"
        )
    for name, accepted in (
        ("placement", PLACEMENTS),
        ("initialization", INITIALIZATIONS),
        ("activation", ACTIVATIONS),
    ):
        value = options.get(name, accepted[0])
        if value not in accepted:
            found.append(f"peft.options.{name} is {value!r}{suggestion(str(value), accepted)}")
    dropout, scaling = options.get("dropout", 0.0), options.get("scaling", 1.0)
    if not _is_number(dropout) or not 0 <= dropout < 1:
        found.append(f"peft.options.dropout is {dropout!r}; it must be from 0 to below 1")
    if not _is_number(scaling) or not scaling > 0:
        found.append(f"peft.options.scaling is {scaling!r}; it must be a number above 0")
    bias = options.get("bias", False)
    if not isinstance(bias, bool):
        found.append(f"peft.options.bias is {bias!r}; it must be true or false")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def attach(
    model: Any,
    *,
    placement: str,
    bottleneck_size: int,
    activation: str = "tanh",
    scaling: float = 1.0,
    dropout: float = 0.0,
    bias: bool = False,
    initialization: str = "identity",
) -> Attached:
    """Return the base with an adapter in each block, at the places asked for.

    Args:
        model: a causal language model of transformers, also quantized or on the meta device.
        placement: `after_mlp` (Pfeiffer, arXiv 2005.00247), `around_mlp` (before and after the
            MLP: where the study's code puts its Houlsby adapters), `after_attention_and_mlp`
            (Houlsby, arXiv 1902.00751), `beside_attention` (parallel to the projections of the
            attention input, the study's parallel adapter) or `beside_mlp` (parallel to the MLP, as
            in arXiv 2110.04366).
        bottleneck_size: width between the two projections, at least 1.
        activation: between the two projections.
        scaling: factor of what is added.
        dropout: of what the adapter reads.
        bias: whether the two projections have biases.
        initialization: `identity` begins as the base (the second projection is zero); `normal`
            draws both, with standard deviation 0.02, as the study's code does.

    Raises:
        ConfigError: an option out of range, or an architecture whose places are not known.

    """
    options: dict[str, Any] = {
        "placement": placement,
        "bottleneck_size": bottleneck_size,
        "activation": activation,
        "scaling": scaling,
        "dropout": dropout,
        "initialization": initialization,
    }
    found = problems({**options, "bias": bias})
    if found:
        raise ConfigError(all_problems("method", found))
    import peft

    from tunegrid.models.methods.bottleneck.tuner import BottleneckConfig
    from tunegrid.models.methods.library import made_ready

    config = BottleneckConfig(task_type=peft.TaskType.CAUSAL_LM, adapter_bias=bias, **options)
    try:
        attached = peft.get_peft_model(made_ready(model), config)
    except ValueError as error:
        raise ConfigError(f"bottleneck adapters: {error}") from error
    return Attached(model=attached)
