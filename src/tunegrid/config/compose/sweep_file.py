"""From a sweep file and the command line to the words of each cell.

Owns: grids, exclusions, included sweeps, and how a value is written as a word. Part of the edge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tunegrid.config.compose import grid, overrides
from tunegrid.config.errors import ConfigError
from tunegrid.config.functions import suggestion


@dataclass(frozen=True)
class CellOverrides:
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
    sweep: Sweep,
    arguments: Sequence[str],
    loader: Any,
    places: Sequence[Path],
    conf: Path,
    most: int | None = None,
) -> list[CellOverrides]:
    """Return the words of each cell that a sweep and its command line name, with repetitions.

    Args:
        sweep: with the names of further sweeps it includes, whose files lie in one of the places.
        arguments: overrides; those with several choices replace the grids' own.
        loader: Hydra's config loader.
        places: directories of sweep files.
        conf: the directory of the groups.
        most: `runtime.max_cells`; more are counted and refused before they are written out.

    Raises:
        ConfigError: more cells than `most`, intervals, a sweep without cells, an exclusion that
            excludes nothing, an included sweep that is not there, or words the schema refuses.
    """
    fixed, choices = _arguments(arguments, loader)
    given = {word.partition("=")[0].lstrip("+~"): word.partition("=")[2] for word in fixed}
    parts = [included(name, places) for name in sweep.include]
    if sweep.grids or not parts:
        parts.append(Sweep(sweep.name, sweep.grids, () if parts else sweep.exclude))
    if sweep.include:
        # The including sweep's exclusions hold for whatever it includes.
        everything = [grid_ for part in parts for grid_ in part.grids or [{}]]
        _refuse_idle(sweep.name, everything, sweep.exclude, choices)
    if most is not None and not sweep.exclude and not any(part.exclude for part in parts):
        # Exclusions alone could make them fewer; a range of 20,000 seeds takes long to write out.
        refuse_too_many(sum(grid.count(part.grids, choices, given) for part in parts), most)
    cells: list[dict[str, Any]] = []
    named_by: list[str] = []
    for part in parts:
        _refuse_idle(part.name, part.grids, part.exclude, choices)
        grids = [{k: v for k, v in one.items() if k not in given} for one in part.grids]
        own = grid.expand(grids, [], choices)
        excluded = [*part.exclude, *(sweep.exclude if sweep.include else ())]
        kept = [cell for cell in own if not grid.is_excluded({**given, **cell}, excluded)]
        cells += kept
        named_by += [part.name] * len(kept)
    if not cells:
        raise ConfigError(f"sweep {sweep.name}: {grid.NO_CELLS}")
    if most is not None:
        refuse_too_many(len(cells), most)
    # A word is checked once, however many cells have it.
    written = [tuple(word(key, value) for key, value in cell.items()) for cell in cells]
    accepted = dict.fromkeys(one for cell in written for one in cell)
    checked = dict(zip(accepted, checked_words(accepted, conf), strict=True))
    return [
        CellOverrides(tuple(fixed), tuple(checked[one] for one in cell), name)
        for cell, name in zip(written, named_by, strict=True)
    ]


def refuse_too_many(cells: int, most: int) -> None:
    """Refuse a sweep of more cells than `runtime.max_cells`.

    Raises:
        ConfigError: it has more.
    """
    if cells > most:
        raise ConfigError(
            f"the sweep has {cells:,} cells, more than runtime.max_cells={most}; narrow its "
            "choices or raise the limit"
        )


def _refuse_idle(
    name: str,
    grids: Sequence[Mapping[str, Any]],
    excluded: Sequence[Mapping[str, Any]],
    choices: Mapping[str, Sequence[Any]],
) -> None:
    """Refuse an exclusion that excludes nothing of what the file itself says.

    Narrowing a sweep on the command line may leave an exclusion without work; that is no error.

    Raises:
        ConfigError: a misspelled exclusion would silently run too much.
    """
    if not excluded:
        return
    try:
        cells = grid.expand(grids, [], {})
        wider = grid.expand(grids, [], choices) if choices else []
        grid.remaining([*cells, *wider], excluded)
    except ConfigError as error:
        raise ConfigError(f"sweep {name}: {error}") from error


class Raw(str):
    """A value that stands in Hydra's own notation already: it was typed on a command line."""


def _arguments(arguments: Sequence[str], loader: Any) -> tuple[list[str], dict[str, list[Any]]]:
    """Return the overrides that every cell has, and the choices that make cells."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    fixed: list[str] = []
    choices: dict[str, list[Any]] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        key = override.get_key_element()
        # `checked` has put a plus in front of options; a file's grids name them without.
        name = key.lstrip("+")
        if override.is_sweep_override():
            if not override.is_discrete_sweep():
                raise ConfigError(
                    f"{override.input_line}: a grid has choices, not intervals; "
                    "write a,b,c or range(first,last,step)"
                )
            choices[name] = [Raw(value) for value in override.sweep_string_iterator()]
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
    content: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no sweep: it holds a list, and a sweep file is a mapping")
    sweeper = (content.get("hydra") or {}).get("sweeper") or {}
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
    """Return one override in Hydra's own notation, for a value as a YAML file has it."""
    return f"{name}={_notation(value)}"


def _notation(value: Any) -> str:
    """Return a value such that Hydra reads back the same one, of the same type."""
    if isinstance(value, Raw):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_notation(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(_notation(one) for one in value)}]"
    if isinstance(value, str) and not _PLAIN_WORD.fullmatch(value):
        # Only quotes are escaped, and backslashes in front of one, the closing one among them.
        quoted = re.sub(r"(\\*)'", r"\1\1\'", value)
        quoted = re.sub(r"(\\+)$", r"\1\1", quoted)
        return f"'{quoted}'"
    return str(value)


_PLAIN_WORD = re.compile(r"(?!(?:null|true|false|nan|inf)$)[A-Za-z_][A-Za-z0-9_./-]*", re.I)
"""Texts that Hydra reads as themselves; `1e3`, `null` or a path with blanks are no such."""
