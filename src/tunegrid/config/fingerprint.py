"""Content hashes, and the one stable text of a value that identities are hashed from.

Owns: hashing of files and texts, canonical JSON. Knows nothing of configs, cells or what a
hash is used for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from enum import Enum
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, all_problems

CHUNK_BYTES = 1 << 20


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits, read in chunks.

    Raises:
        OSError: the file cannot be read.

    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def text_sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes as 64 hexadecimal digits.

    A lone surrogate, which UTF-8 cannot hold, counts with the three bytes it would have.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def canonical_json(value: Any) -> str:
    """Return the one JSON text that equal values share: ASCII, sorted keys, no spaces.

    Accepts str, int, float, bool, None, list, tuple, dict with string keys, an enum member (its
    value) and a dataclass instance (its fields). Floats are written with `float.__repr__`, so
    that 1 and 1.0 differ and every float keeps its digits.

    Raises:
        ConfigError: anything else, NaN or an infinity, or a key that is no string. Every such
            place is named: a value without a stable text would fork or merge identities.

    """
    problems: list[str] = []
    text = _encode(value, "", problems)
    if problems:
        raise ConfigError(all_problems("a value has no stable form", problems))
    return text


def _encode(value: Any, where: str, problems: list[str]) -> str:
    """Return the text of one value; what has none is added to `problems`."""
    if isinstance(value, Enum):
        return _encode(value.value, where, problems)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if math.isfinite(value):
            # numpy's float64 is a float whose own repr is "np.float64(1.0)".
            return float.__repr__(value)
        problems.append(f"{where or 'the value'} is {value!r}; write a finite number")
        return "null"
    if isinstance(value, list | tuple):
        items = (_encode(item, f"{where}[{i}]", problems) for i, item in enumerate(value))
        return f"[{','.join(items)}]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return _encode_mapping(value, where, problems)
    problems.append(
        f"{where or 'the value'} is {value!r} of type {type(value).__name__}; accepted are "
        "text, numbers, booleans, null, lists and mappings of these"
    )
    return "null"


def _encode_mapping(value: dict[Any, Any], where: str, problems: list[str]) -> str:
    """Return the text of a mapping, its keys sorted by code point."""
    named = {}
    for key, item in value.items():
        if isinstance(key, str) and not isinstance(key, Enum):
            named[key] = item
        else:
            problems.append(
                f"{where or 'the value'} has the key {key!r} of type {type(key).__name__}; "
                "put it in quotes: keys are text"
            )
    pairs = (
        f"{json.dumps(key)}:{_encode(named[key], f'{where}.{key}' if where else key, problems)}"
        for key in sorted(named)
    )
    return "{" + ",".join(pairs) + "}"
