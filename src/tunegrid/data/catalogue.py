"""The collections that have a YAML, as rows: what they are, and which of them have given tags.

Owns: reading `conf/data/collection` and filtering it. Reads no data and composes no cell, so that
it answers at once; that every file fits the schema is held by tests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tunegrid.config.choices import Language
from tunegrid.config.errors import ConfigError

COLUMNS = (
    "collection", "language", "task", "generation", "examples", "here", "reader", "certainty",
    "row", "type",
)  # fmt: skip
TAGS = ("language", "task", "generation")

Row = dict[str, Any]

# Of collections without a catalogue, by the codes that plans use.
_LANGUAGES = {"en": Language.EN.value, "zh": Language.CN.value}
_READER = "instructions.read"
# libyaml is ten times as fast, and not everywhere.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def rows(folders: Iterable[Path], root: Path) -> list[Row]:
    """Return one row a collection, in the order of their names.

    Args:
        folders: hold the YAML files; of two with one name the first counts.
        root: directory to which the paths of their files refer.

    Raises:
        ConfigError: a file that is no YAML mapping.
    """
    found: dict[str, Row] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            if path.stem not in found:
                found[path.stem] = _row(path.stem, _loaded(path), root)
    return [found[name] for name in sorted(found)]


def with_tags(every: Iterable[Row], wanted: Mapping[str, Collection[str]]) -> list[Row]:
    """Return the rows that have, of each kind of tag that is asked for, one of those asked for."""
    return [
        row
        for row in every
        if all(not tags or set(tags) & set(row[kind]) for kind, tags in wanted.items())
    ]


def _loaded(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - a safe one
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} is no collection: it needs name and files")
    return loaded


def _row(name: str, collection: Mapping[str, Any], root: Path) -> Row:
    facts = collection.get("catalogue") or {}
    source = collection.get("source") or {}
    files = collection.get("files") or []
    languages = [_LANGUAGES.get(code, code) for code in collection.get("languages") or []]
    return {
        "collection": name,
        "language": facts.get("language") or sorted(languages, reverse=True),
        "task": facts.get("task") or [],
        "generation": facts.get("generation") or [],
        "examples": collection.get("stated_examples"),
        "reader": collection.get("function", _READER),
        "certainty": facts.get("certainty"),
        "here": f"{sum((root / file).is_file() for file in files)} of {len(files)}",
        "row": facts.get("row"),
        "row_size": facts.get("row_size"),
        "type": facts.get("type"),
        "original": facts.get("original"),
        "licence": facts.get("licence"),
        "repository": source.get("repository") or source.get("url"),
        "revision": source.get("revision"),
        "files": source.get("files") or files,
        "size_bytes": source.get("size_bytes"),
    }
