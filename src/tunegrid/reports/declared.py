"""The tables that a sweep file declares, under `hydra.sweeper.tables`.

Owns: their form, and refusing what does not fit it, with file and line. Looks at no run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, all_problems
from tunegrid.reports import published

KEYS = {"name", "title", "rows", "columns", "published", "mixed"}
FACTS = ("version", "judge", "protocol", "inference_precision", "category")
"""What the numbers of one column may not differ in, unless the table's `mixed` names it."""
GROUPS = ("model", "peft", "quantization", "data", "prompt", "train", "eval")


@dataclass(frozen=True)
class Declaration:
    """One table as its sweep file has it."""

    name: str
    title: str
    sweep: str
    rows: Mapping[str, Mapping[str, str] | None]
    """By its label, which cells a row is made of; None is a published row that no cell makes."""
    columns: tuple[str, ...]
    """`benchmark.category`, or `run.` and a column of runs.csv."""
    published: str | None = None
    """The published table whose rows have the same labels."""
    mixed: tuple[str, ...] = ()


def declared(path: Path) -> list[Declaration]:
    """Return the tables of a sweep file, and those of the files that it includes.

    Raises:
        ConfigError: all that is wrong with them, each with its line.
    """
    import yaml

    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text) or {}
    sweeper = (content.get("hydra") or {}).get("sweeper") or {}
    lines = _Lines(path, text)
    problems: list[str] = []
    own: list[Declaration] = []
    for number, one in enumerate(sweeper.get("tables") or []):
        wrong = _problems(one, number, lines)
        problems += wrong
        if not wrong:
            own.append(_declaration(one, path.stem))
    if problems:
        raise ConfigError(all_problems("the sweep's tables cannot be made", problems))
    for name in sweeper.get("include") or []:
        own += declared(path.with_name(f"{name}.yaml"))
    return own


def _declaration(one: Mapping[str, Any], sweep: str) -> Declaration:
    rows = {
        str(label): None if chosen is None else {key: str(word) for key, word in chosen.items()}
        for label, chosen in one["rows"].items()
    }
    return Declaration(
        name=one["name"],
        title=one.get("title", one["name"]),
        sweep=sweep,
        rows=rows,
        columns=tuple(one["columns"]),
        published=one.get("published"),
        mixed=tuple(one.get("mixed", ())),
    )


def _problems(one: Any, number: int, lines: _Lines) -> list[str]:
    where = lines.of(number)
    if not isinstance(one, Mapping):
        return [f"{where}: a table is a mapping with {', '.join(sorted(KEYS))}"]
    found = [
        f"{where}: {key!r} is no key of a table; there are {', '.join(sorted(KEYS))}"
        for key in sorted(one.keys() - KEYS)
    ]
    found += [
        f"{where}: a table needs {key}" for key in ("name", "rows", "columns") if not one.get(key)
    ]
    if found:
        return found
    name = str(one["name"])
    if not name.replace("_", "").replace("-", "").isalnum():
        found.append(f"{where}: name {name!r} names files; write letters, digits, - and _")
    if not isinstance(one["rows"], Mapping):
        return [*found, f"{where}: rows maps each label to the cells of its row"]
    found += [
        f"{where}: column {column!r}; write benchmark.category, or run. and a column of runs.csv"
        for column in one["columns"]
        if "." not in str(column)
    ]
    found += [
        f"{where}: mixed names {fact!r}; it may name {', '.join(FACTS)}"
        for fact in one.get("mixed", ())
        if fact not in FACTS
    ]
    for label, chosen in one["rows"].items():
        if chosen is not None and not isinstance(chosen, Mapping):
            found.append(f"{lines.of(number, label)}: row {label!r} maps groups to choices")
        elif unknown := set(chosen or ()) - set(GROUPS):
            found.append(
                f"{lines.of(number, label)}: row {label!r} selects by "
                f"{', '.join(sorted(map(str, unknown)))}; rows select by {', '.join(GROUPS)}"
            )
    return found + _published_problems(one, number, lines)


def _published_problems(one: Mapping[str, Any], number: int, lines: _Lines) -> list[str]:
    """Return published rows without a row here, and rows whose label is not published."""
    table = one.get("published")
    if table is None:
        return []
    theirs = published.tables().get(str(table))
    if theirs is None:
        return [f"{lines.of(number)}: there is no published table {table!r}"]
    labels = [str(label) for label in one["rows"]]
    return [
        f"{lines.of(number)}: the published row {row!r} of {table} has no row here; give it its "
        "cells, or null where no cell makes it"
        for row in theirs
        if row not in labels
    ] + [
        f"{lines.of(number, label)}: {table} has no published row {label!r}; it has "
        f"{', '.join(theirs)}"
        for label in labels
        if label not in theirs
    ]


class _Lines:
    """Where in a sweep file a table or one of its rows stands."""

    def __init__(self, path: Path, text: str) -> None:
        import yaml

        self._path = path
        node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
        for key in ("hydra", "sweeper", "tables"):
            node = None if node is None else _under(node, key)
        self._tables = [] if node is None else list(node.value)

    def of(self, number: int, row: object = None) -> str:
        """Return file and line of a table, or of one of its rows."""
        node = self._tables[number]
        if row is not None:
            rows = _under(node, "rows")
            for key, _ in [] if rows is None else rows.value:
                if key.value == str(row):
                    node = key
        return f"{self._path}:{node.start_mark.line + 1}"


def _under(node: Any, name: str) -> Any:
    if not isinstance(node.value, list):
        return None
    return next((value for key, value in node.value if key.value == name), None)
