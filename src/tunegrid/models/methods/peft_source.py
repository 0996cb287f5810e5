"""The methods of the installed peft and the fields of their config classes, read from its source.

Owns: finding both without importing peft, which would import torch and take seconds.
Knows nothing of values.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from pathlib import Path

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
    for path, text in _sources().items():
        if method in _TYPE.findall(text):
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef) and method in _TYPE.findall(
                    ast.get_source_segment(text, node) or ""
                ):
                    return tuple(sorted(_fields(node, path)))
    raise ConfigError(f"peft has no method {method!r}; accepted: {', '.join(method_names())}")


def _fields(node: ast.ClassDef, path: Path) -> set[str]:
    """Return the names a class of dataclass fields accepts, with those of its bases."""
    names = set()
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if "ClassVar" in ast.dump(statement.annotation) or _is_kept_out(statement.value):
            continue
        names.add(statement.target.id)
    for base in node.bases:
        if isinstance(base, ast.Name):
            names |= _fields_of_class(base.id, path)
    return names


def _is_kept_out(value: ast.expr | None) -> bool:
    """Return whether a field is declared with `field(init=False)`."""
    return isinstance(value, ast.Call) and any(
        keyword.arg == "init"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is False
        for keyword in value.keywords
    )


def _fields_of_class(name: str, near: Path) -> set[str]:
    """Return the fields of the class of that name, in the same file or wherever it stands."""
    candidates = [near, *(path for path in _sources() if path != near)]
    for path in candidates:
        text = _sources()[path]
        if name not in _CLASS.findall(text):
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return _fields(node, path)
    return set()
