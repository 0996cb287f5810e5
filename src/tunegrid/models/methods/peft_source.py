"""The methods of the installed peft, their options and the defaults of these, from its source.

Owns: finding them without importing peft, which would import torch and take seconds.
Knows nothing of what they mean.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError

_CLASS = re.compile(r"^class (\w+)", re.MULTILINE)
_TYPE = re.compile(r"self\.peft_type = PeftType\.(\w+)")


@functools.cache
def _sources() -> dict[Path, str]:
    """Return the source of every file of peft that holds config classes."""
    found = importlib.util.find_spec("peft")
    if found is None or found.origin is None:
        raise ConfigError("the package peft is not installed; install tunegrid's dependencies")
    package = Path(found.origin).parent
    paths = [package / "config.py", *sorted(package.glob("tuners/**/config.py"))]
    # LoHa and LoKr share a base class that stands beside the tuners.
    paths += sorted(package.glob("tuners/*_utils.py"))
    return {path: path.read_text(encoding="utf-8") for path in paths}


@functools.cache
def method_names() -> tuple[str, ...]:
    """Return the names of all methods, as `peft.PeftType` has them, sorted."""
    return tuple(sorted({name for text in _sources().values() for name in _TYPE.findall(text)}))


@functools.cache
def method_fields(method: str) -> tuple[str, ...]:
    """Return the fields of a method's config class and its bases, sorted.

    Args:
        method: one of `method_names()`.

    """
    return tuple(sorted({name for node in _classes(method) for name in _fields(node)}))


@functools.cache
def field_defaults(method: str) -> dict[str, Any]:
    """Return the plain defaults (text, numbers, booleans, None) of a method's options by name.

    Args:
        method: one of `method_names()`.

    """
    found: dict[str, Any] = {}
    for node in reversed(_classes(method)):
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                found.pop(statement.target.id, None)
                found |= _default(statement.target.id, statement.value)
    return {name: found[name] for name in method_fields(method) if name in found}


def _default(name: str, value: ast.expr | None) -> dict[str, Any]:
    """Return the plain default of a field by its name; empty where it has none."""
    if isinstance(value, ast.Call):
        value = next((one.value for one in value.keywords if one.arg == "default"), None)
    try:
        plain = ast.literal_eval(value) if value is not None else ...
    except ValueError:
        return {}
    is_plain = plain is None or isinstance(plain, str | int | float | bool)
    return {name: plain} if is_plain else {}


def _classes(method: str) -> list[ast.ClassDef]:
    """Return a method's config class and its bases, in the order in which names are looked up."""
    found: list[ast.ClassDef] = []
    waiting = [_class_of(method)]
    while waiting:
        node, path = waiting.pop(0)
        found.append(node)
        names = [base.id for base in node.bases if isinstance(base, ast.Name)]
        waiting += [one for name in names if (one := _named(name, path)) is not None]
    return found


def _class_of(method: str) -> tuple[ast.ClassDef, Path]:
    for path, text in _sources().items():
        if method in _TYPE.findall(text):
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef) and method in _TYPE.findall(
                    ast.get_source_segment(text, node) or ""
                ):
                    return node, path
    raise ConfigError(f"peft has no method {method!r}; accepted: {', '.join(method_names())}")


def _named(name: str, near: Path) -> tuple[ast.ClassDef, Path] | None:
    """Return the class of that name, in the same file or wherever it stands."""
    for path in [near, *(path for path in _sources() if path != near)]:
        text = _sources()[path]
        if name not in _CLASS.findall(text):
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node, path
    return None


def _fields(node: ast.ClassDef) -> set[str]:
    """Return the names that a class of dataclass fields accepts by itself."""
    return {
        statement.target.id
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and "ClassVar" not in ast.dump(statement.annotation)
        and not _is_kept_out(statement.value)
    }


def _is_kept_out(value: ast.expr | None) -> bool:
    """Return whether a field is declared with `field(init=False)`."""
    return isinstance(value, ast.Call) and any(
        keyword.arg == "init"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is False
        for keyword in value.keywords
    )
