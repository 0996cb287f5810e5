"""How large a base is, from the numbers of its configuration; no torch, no weights.

Owns: an estimate for decisions that are made where torch is not loaded. What is counted exactly
is counted on the skeleton.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunegrid.store.inputs.hub_commit import cached_config
from tunegrid.store.inputs.locate import is_repository_id

_NAMES = {
    "hidden": ("hidden_size", "n_embd", "n_embed", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "vocabulary": ("vocab_size", "padded_vocab_size"),
    "inner": ("intermediate_size", "ffn_hidden_size", "inner_hidden_size", "ffn_dim", "n_inner"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
}


def estimated_parameters(model: Mapping[str, Any]) -> int | None:
    """Return about how many parameters a base has; None where nothing says it.

    Args:
        model: the settings of a base; its config.json counts, then `architecture_config`.
    """
    numbers = _numbers(model)
    hidden, layers = _number(numbers, "hidden"), _number(numbers, "layers")
    vocabulary = _number(numbers, "vocabulary")
    if hidden is None or layers is None or vocabulary is None:
        return None
    inner = _number(numbers, "inner")
    # Four matrices of attention; up and down of the inner size, and a gate where a size is given,
    # as in bases of the Llama form.
    matrices = 2 if inner is None else 3
    experts = _number(numbers, "experts") or 1
    layer = 4 * hidden**2 + experts * matrices * hidden * (inner or 4 * hidden)
    return layers * layer + vocabulary * hidden


def _number(numbers: Mapping[str, Any], what: str) -> int | None:
    found = [numbers[name] for name in _NAMES[what] if isinstance(numbers.get(name), int)]
    return found[0] if found and found[0] > 0 else None


def _numbers(model: Mapping[str, Any]) -> Mapping[str, Any]:
    path, revision = str(model.get("path", "")), model.get("revision")
    file: Path | None = Path(path) / "config.json"
    if not (path and file is not None and file.is_file()):
        file = cached_config(path, revision) if is_repository_id(path) else None
    stated = model.get("architecture_config") or {}
    if file is None:
        return stated
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return stated
    if not isinstance(found, dict):
        return stated
    inside = found.get("text_config")
    return found | inside if isinstance(inside, dict) else found
