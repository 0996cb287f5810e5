"""The projections of an architecture nobody has named yet, read from the model itself.

Owns: telling the input projections of the attention from the other linear modules.
"""

from __future__ import annotations

from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.models.architectures.families import Modules
from tunegrid.models.parameters import linear_modules

_INSIDE = ("attn", "attention")
"""Parts of the name of what holds the attention's projections."""
_SEPARATE = ({"q_proj", "v_proj"}, {"query", "value"}, {"wq", "wv"}, {"q_lin", "v_lin"})
_TOGETHER = ("qkv", "query_key_value", "c_attn", "W_pack", "Wqkv", "in_proj")
_OUT = ("out", "o_proj", "dense", "c_proj", "wo")


def projections(model: Any) -> Modules:
    """Return the names of a model's projections.

    Args:
        model: a causal language model, also on the meta device.

    Raises:
        ConfigError: it has no linear module, or none that looks like an attention's projection.
    """
    linear = linear_modules(model)
    inside = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if any(word in name.rpartition(".")[0] for word in _INSIDE)
        and name.rpartition(".")[2] in linear
    }
    for pair in _SEPARATE:
        if pair <= inside:
            return Modules(tuple(sorted(pair)), tuple(linear))
    together = sorted(name for name in inside if any(word in name for word in _TOGETHER))
    into = together or sorted(name for name in inside if not any(w in name for w in _OUT))
    if not into:
        raise ConfigError(
            f"model.path: {type(model).__name__} has no linear module that looks like the input of "
            f"an attention (its linear modules are {', '.join(linear) or 'none'}); name them in "
            "model.attention_modules and model.linear_modules"
        )
    return Modules(tuple(into), tuple(linear))
