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
    return found


def _rename_functions(tree: dict[str, Any]) -> None:
    """Give every function below a mapping its present name."""
    for key, value in tree.items():
        if isinstance(value, dict):
            _rename_functions(value)
        elif key == "function" and isinstance(value, str):
            tree[key] = _FUNCTIONS.get(value, value)
