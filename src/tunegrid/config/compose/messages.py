"""Errors of Hydra, OmegaConf and ours as messages.

Owns: how an error is worded for a user. Part of the edge.
"""

from __future__ import annotations

import re
from pathlib import Path

from tunegrid.config.errors import TunegridError
from tunegrid.config.functions import suggestion


def explained(error: Exception) -> str:
    """Return the message of an error, with the nearest name where a key is misspelled."""
    if isinstance(error, TunegridError):
        return f"{type(error).__name__}: {error}"
    # "Error merging override seed=x" says what, its cause says why.
    reasons = [error, *([error.__cause__] if error.__cause__ is not None else [])]
    text = ": ".join(str(reason).strip() for reason in reasons)
    missing = re.search(r"Cannot find primary config '([^']+)'", text)
    if missing:
        places = [Path(path) for path in re.findall(r"path=file://(\S+)", text)]
        names = {file.stem for place in places for file in place.glob("*.yaml")}
        return (
            f"ConfigError: there is no {missing.group(1)!r} in "
            f"{', '.join(map(str, places))}{suggestion(missing.group(1), names)}"
        )
    unknown = re.search(r"[Kk]ey '([^']+)' not in '(\w+)'", text)
    hint = ""
    if unknown:
        from tunegrid.config import schema

        kind = getattr(schema, unknown.group(2), None)
        if isinstance(kind, type):
            names = set(getattr(kind, "__dataclass_fields__", {}))
            hint = f"\n{unknown.group(1)!r} is no setting{suggestion(unknown.group(1), names)}"
    return f"ConfigError: {text}{hint}"
