"""One module of a base with bottleneck adapters around it: down, activation, up, added.

Owns: the arithmetic and the weights of one place. Where the places are is `bottleneck`'s.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers.activations import ACT2FN

INITIALIZATION_STD = 0.02
"""Of the normal distribution that the weights are drawn from, as in BERT."""


class BottleneckLayer(nn.Module, BaseTunerLayer):
    """A module `y = base(x)` with adapters, each added at one of three sides.

    `before`: y = base(x + f(x)), `after`: y = base(x) + f(base(x)), `beside`: y = base(x) + f(x),
    where f(h) = scaling · up(activation(down(dropout(h)))).
    """

    adapter_layer_names = ("bottleneck_down", "bottleneck_up")
    other_param_names = ("bottleneck_dropout", "scaling", "activation", "side")

    def __init__(self, base_layer: nn.Module) -> None:
        nn.Module.__init__(self)
        self.base_layer = base_layer
        self.bottleneck_down = nn.ModuleDict()
        self.bottleneck_up = nn.ModuleDict()
        self.bottleneck_dropout = nn.ModuleDict()
        self.scaling: dict[str, float] = {}
        self.activation: dict[str, nn.Module] = {}
        self.side: dict[str, str] = {}
        self._disable_adapters = False
        self.merged_adapters: list[str] = []

    def update_layer(
        self, adapter_name: str, config: Any, side: str, sizes: tuple[int, int]
    ) -> None:
        """Add an adapter.

        Args:
            adapter_name: its name.
            config: a `BottleneckConfig`.
            side: `before`, `after` or `beside`.
            sizes: width of what the base layer takes and of what it gives.

        """
        taken, given = sizes
        first = given if side == "after" else taken
        last = taken if side == "before" else given
        down = nn.Linear(first, config.bottleneck_size, bias=config.adapter_bias)
        up = nn.Linear(config.bottleneck_size, last, bias=config.adapter_bias)
        for linear in (down, up):
            nn.init.normal_(linear.weight, std=INITIALIZATION_STD)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
        if config.initialization == "identity":
            nn.init.zeros_(up.weight)
        self.bottleneck_down[adapter_name] = down
        self.bottleneck_up[adapter_name] = up
        self.bottleneck_dropout[adapter_name] = nn.Dropout(config.dropout)
        self.scaling[adapter_name] = config.scaling
        self.activation[adapter_name] = ACT2FN[config.activation]
        self.side[adapter_name] = side
        weight = next(self.base_layer.parameters(), None)
        if weight is not None and weight.device.type != "meta":
            down.to(weight.device)
            up.to(weight.device)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def forward(self, x: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        """Return the base layer's output with the active adapters added."""
        active = [] if self.disable_adapters else self.active_adapters
        active = [name for name in active if name in self.bottleneck_down]
        # Out of place throughout: what bitsandbytes returns is a view that must not change.
        for name in active:
            if self.side[name] == "before":
                x = x + self._added(name, x)
        y = self.base_layer(x, *arguments, **options)
        for name in active:
            if self.side[name] == "after":
                y = y + self._added(name, y)
            elif self.side[name] == "beside":
                y = y + self._added(name, x).to(y.dtype)
        return y

    def _added(self, name: str, states: torch.Tensor) -> torch.Tensor:
        given = states.dtype
        down, up = self.bottleneck_down[name], self.bottleneck_up[name]
        weight = cast(torch.Tensor, down.weight)
        # Under autocast the projections turn what they read to the type of the computation.
        if not torch.is_autocast_enabled(states.device.type):
            states = states.to(weight.dtype)
        own = self.bottleneck_dropout[name](states)
        return (self.scaling[name] * up(self.activation[name](down(own)))).to(given)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Raise ValueError: the adapter is not linear."""
        raise ValueError(NOT_MERGED)

    def unmerge(self) -> None:
        """Raise ValueError: there is never anything merged."""
        raise ValueError(NOT_MERGED)

    def __repr__(self) -> str:
        return f"bottleneck.{super().__repr__()}"


NOT_MERGED = (
    "bottleneck adapters cannot be merged: they are not linear, so no weight matrix equals base "
    "and adapter; keep the adapter beside the base"
)
