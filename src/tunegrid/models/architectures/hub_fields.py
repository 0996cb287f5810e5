"""The fields of a config.json of 2023 become those of a config class of today.

Owns: renaming, dropping what named remote code, and refusing what the implementation does not do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunegrid.config.errors import ConfigError, all_problems

_DROPPED = ("auto_map", "model_type", "_name_or_path", "_from_model_config", "transformers_version")


def translated(
    fields: Mapping[str, Any],
    *,
    base: str,
    renamed: Mapping[str, str] | None = None,
    only: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the fields under their present names.

    Args:
        fields: of a config.json.
        base: for messages.
        renamed: present name of a field by its former one.
        only: the one value a field may have, by its former name; such fields are left out.

    Raises:
        ConfigError: a field of `only` has another value; all of them at once.

    """
    accepted = only or {}
    problems = [
        f"{name} is {fields[name]!r}; only {value!r} is implemented"
        for name, value in accepted.items()
        if name in fields and fields[name] != value and fields[name] is not None
    ]
    if problems:
        problems.append("load the weights as their authors published them for this size")
        raise ConfigError(all_problems(f"config.json of {base}", problems))
    names = renamed or {}
    return {
        names.get(name, name): value
        for name, value in fields.items()
        if name not in _DROPPED and name not in accepted
    }
