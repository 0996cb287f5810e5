"""From a sweep file and the command line to the words of each cell.

Owns: grids, exclusions, included sweeps, and how a value is written as a word. Part of the edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tunegrid import grid, overrides
from tunegrid.errors import ConfigError
from tunegrid.wiring import suggestion


@dataclass(frozen=True)
class Words:
    """One cell's overrides: those every cell has, and those that tell the cells apart."""

    fixed: tuple[str, ...]
    varied: tuple[str, ...]
    sweep: str
    """The sweep that names the cell."""

    @property
    def all(self) -> list[str]:
        """All of them, in the order Hydra applies them."""
        return [*self.fixed, *self.varied]


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says under `hydra.sweeper`."""

    name: str
    grids: Sequence[Mapping[str, Any]]
    exclude: Sequence[Mapping[str, Any]]
    include: Sequence[str] = ()


def expanded(
    sweep: Sweep, arguments: Sequence[str], loader: Any, places: Sequence[Path], conf: Path
) -> list[Words]:
    """Return the words of each cell that a sweep and its command line name, with repetitions.

    Args:
        sweep: with the names of further sweeps it includes, whose files lie in one of the places.
        arguments: overrides; those with several choices replace the grids' own.
        loader: Hydra's config loader.
        places: directories of sweep files.
        conf: the directory of the groups.

    Raises:
        ConfigError: intervals, a sweep without cells, an exclusion that excludes nothing, an
            included sweep that is not there, or words the schema refuses.
    """
    fixed, choices = _arguments(arguments, loader)
    named = {word.partition("=")[0].lstrip("+~") for word in fixed}
    parts = [included(name, places) for name in sweep.include]
    if sweep.grids or not parts:
        parts.append(Sweep(sweep.name, sweep.grids, () if parts else sweep.exclude))
    named_by: list[str] = []
    cells: list[dict[str, Any]] = []
    for part in parts:
        grids = [{k: v for k, v in one.items() if k not in named} for one in part.grids]
        try:
            own = grid.expand(grids, part.exclude, choices)
        except ConfigError as error:
            raise ConfigError(f"sweep {part.name}: {error}") from error
        cells += own
        named_by += [part.name] * len(own)
    if sweep.include:
        # The including sweep's exclusions hold for whatever it includes.
        kept = grid.remaining(cells, sweep.exclude)
        cells, named_by = [cells[i] for i in kept], [named_by[i] for i in kept]
    # A word is checked once, however many cells have it.
    written = [tuple(word(key, value) for key, value in cell.items()) for cell in cells]
    accepted = dict.fromkeys(one for cell in written for one in cell)
    checked = dict(zip(accepted, checked_words(accepted, conf), strict=True))
    return [
        Words(tuple(fixed), tuple(checked[one] for one in cell), name)
        for cell, name in zip(written, named_by, strict=True)
    ]


def _arguments(arguments: Sequence[str], loader: Any) -> tuple[list[str], dict[str, list[Any]]]:
    """Return the overrides that every cell has, and the choices that make cells."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    fixed: list[str] = []
    choices: dict[str, list[Any]] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        key = override.get_key_element()
        if override.is_sweep_override():
            if not override.is_discrete_sweep():
                raise ConfigError(
                    f"{override.input_line}: a grid has choices, not intervals; "
                    "write a,b,c or range(first,last,step)"
                )
            choices[key] = list(override.sweep_string_iterator())
        elif not key.startswith("hydra"):
            fixed.append(f"{key}={override.get_value_element_as_str()}")
    return fixed, choices


def included(name: str, places: Sequence[Path]) -> Sweep:
    """Return another sweep file's grids, its own settings and choices written into each.

    Raises:
        ConfigError: there is no such file, or it holds what cannot be included.
    """
    path = next(
        (place / f"{name}.yaml" for place in places if (place / f"{name}.yaml").exists()), None
    )
    if path is None:
        there = sorted({file.stem for place in places for file in place.glob("*.yaml")})
        raise ConfigError(
            f"hydra.sweeper.include: there is no sweep {name!r} in "
            f"{', '.join(map(str, places))}{suggestion(name, there)}"
        )
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    sweeper = content.get("hydra", {}).get("sweeper", {})
    if sweeper.get("include"):
        raise ConfigError(f"{path} includes sweeps itself; name them all in the including sweep")
    own = _chosen(content.get("defaults", [])) | _flat(
        {key: value for key, value in content.items() if key not in ("defaults", "hydra")}
    )
    # A list as a setting's value is one choice, not several.
    own = {key: [value] if isinstance(value, list) else value for key, value in own.items()}
    grids = [{**own, **one} for one in sweeper.get("grids") or [{}]]
    return Sweep(name, grids, sweeper.get("exclude") or [])


def _chosen(defaults: Sequence[Any]) -> dict[str, Any]:
    """Return the choices of groups in a defaults list."""
    found = {}
    for entry in defaults:
        if isinstance(entry, Mapping):
            [(key, value)] = entry.items()
            group = str(key).removeprefix("override ").strip().lstrip("/")
            if not group.startswith("hydra"):
                found[group] = value
    return found


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a tree's leaves by their dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            leaves |= _flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def checked_words(words: Iterable[str], conf: Path) -> list[str]:
    """Return a sweep file's words as if they stood on the command line: checked the same way."""
    return overrides.checked(list(words), conf)


def word(name: str, value: Any) -> str:
    """Return one override; a list or mapping in Hydra's own notation."""
    if value is None:
        return f"{name}=null"
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    if isinstance(value, list):
        return f"{name}=[{','.join(str(one) for one in value)}]"
    if isinstance(value, str) and any(sign in value for sign in ",{}[]()=:"):
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"{name}='{quoted}'"
    return f"{name}={value}"
