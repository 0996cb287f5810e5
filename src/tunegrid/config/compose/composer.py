"""Composing many cells quickly, exactly as Hydra composes each.

Owns: which parts of a composition can be taken over from one cell to the next. Part of the edge.

Hydra takes about 150 ms to compose a cell; a thousand would take minutes. A choice of a group
changes one node of the configuration (model, peft, ...), so each choice is composed once and cells
are put together from these nodes. Whether a choice really changes nothing else is looked at, not
assumed: one that does is composed by Hydra for every cell.
"""

from __future__ import annotations

import copy
import dataclasses
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from tunegrid.config.schema import CellConfig

GROUPS = tuple(
    name
    for name, kind in typing.get_type_hints(CellConfig).items()
    if dataclasses.is_dataclass(kind)
)


@dataclass(frozen=True)
class _Choice:
    """A choice of a group: the one node it changes, or None where it changes more."""

    group: str
    node: Any


class Composer:
    """Composes cells of one sweep."""

    def __init__(self, loader: Any, master: DictConfig) -> None:
        """Take Hydra's loader and the configuration it composed for the sweep as a whole."""
        self._loader = loader
        self._master = master
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        self._choices: dict[tuple[str, ...], _Choice] = {}
        self._parser = OverridesParser.create(config_loader=loader)

    def compose(self, fixed: Sequence[str], varied: Sequence[str]) -> DictConfig:
        """Return a cell's configuration with its schema and without Hydra's own node.

        Args:
            fixed: overrides that many cells share.
            varied: overrides of this cell.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra does for the same words.
        """
        groups = [word for word in varied if word.partition("=")[0] in GROUPS]
        values = [word for word in varied if word.partition("=")[0] not in GROUPS]
        if any("@" in word.partition("=")[0] or word.startswith("~") for word in values):
            return self._by_hydra([*fixed, *varied])
        choices = [self._choice(tuple(fixed), word) for word in groups]
        if any(choice.node is None for choice in choices):
            return self._by_hydra([*fixed, *varied])
        config = copy.deepcopy(self._base(tuple(fixed)))
        for choice in choices:
            config[choice.group] = choice.node
        OmegaConf.set_struct(config, True)
        ConfigLoaderImpl._apply_overrides_to_config(self._parser.parse_overrides(values), config)
        return config

    def _base(self, fixed: tuple[str, ...]) -> DictConfig:
        if fixed not in self._bases:
            self._bases[fixed] = self._by_hydra(fixed)
        return self._bases[fixed]

    def _choice(self, fixed: tuple[str, ...], word: str) -> _Choice:
        key = (*fixed, word)
        if key not in self._choices:
            group = word.partition("=")[0]
            base, chosen = self._base(fixed), self._by_hydra([*fixed, word])
            changed = {str(name) for name in chosen if _raw(chosen[name]) != _raw(base[name])}
            alone = changed <= {group}
            self._choices[key] = _Choice(group, chosen[group] if alone else None)
        return self._choices[key]

    def _by_hydra(self, words: Sequence[str]) -> DictConfig:
        composed = self._loader.load_sweep_config(self._master, list(words))
        return strict(composed)


def strict(composed: DictConfig) -> DictConfig:
    """Return a composed configuration in the schema and without Hydra's own node.

    The schema again, strictly: Hydra lets a `+` add keys that the schema lacks.
    """
    groups = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    merged = OmegaConf.merge(OmegaConf.structured(CellConfig), groups)
    assert isinstance(merged, DictConfig)  # noqa: S101 - narrows the type
    return merged


def _raw(node: Any) -> Any:
    """Return a node as plain values, interpolations unresolved."""
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
