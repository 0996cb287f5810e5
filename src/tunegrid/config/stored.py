"""Settings that an earlier version stored, in the form that this one has.

Owns: what was called otherwise before. Plain values in, plain values out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tunegrid.config.functions import HASHED_AS

_FUNCTIONS = {dotted: name for name, dotted in HASHED_AS.items()}
"""Functions were once named by the files they lay in."""


def present_form(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored settings of a cell with their present names; new ones come back as they are."""
    found: dict[str, Any] = copy.deepcopy(dict(stored))
    _rename_functions(found)
    _gather_benchmarks(found.get("eval"))
    if isinstance(found.get("model"), dict):
        # Why a base could not be launched then.
        found["model"].pop("planned", None)
    return found


def _gather_benchmarks(settings: Any) -> None:
    """Put benchmarks that had settings of their own, or stood among `others`, under their names."""
    if not isinstance(settings, dict) or "benchmarks" in settings:
        return
    named = {name: settings.pop(name) for name in ("belle", "mmcu") if name in settings}
    settings["benchmarks"] = {
        name: one
        for name, one in {**named, **settings.pop("others", {})}.items()
        if one is not None
    }


def _rename_functions(tree: dict[str, Any]) -> None:
    """Give every function below a mapping its present name."""
    for key, value in tree.items():
        if isinstance(value, dict):
            _rename_functions(value)
        elif key == "function" and isinstance(value, str):
            tree[key] = _FUNCTIONS.get(value, value)
