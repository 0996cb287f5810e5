"""JSON files that are whole or absent, and lines of JSON.

Owns: how text gets to the disk and back, and the errors of a disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunegrid.config.errors import StoreError


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a failing disk into a StoreError that says which path and what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}. Earlier files are intact. "
            "Free space or fix the permissions, or choose another place with "
            "runtime.results=<directory>; then run the same command again."
        ) from error


def json_line(record: Any) -> str:
    """Return a record as one line of JSON with its newline."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is whole or absent, and on the disk before this returns."""
    temporary = path.with_name(path.name + ".tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        StoreError: missing, unreadable or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot read {path}: {error}. Remove the file and run the cell's command again: "
            "its stage is repeated, the stages before it are kept."
        ) from error


def read_text(path: Path) -> str:
    """Return the text of a file of ours.

    Raises:
        StoreError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path}: {error}") from error


def read_json_lines(path: Path) -> Iterator[Any]:
    """Yield the records of a JSON lines file, leaving out a last line that was cut off.

    Raises:
        StoreError: a line before the last is no JSON.
    """
    if not path.exists():
        return
    # Not `splitlines`: answers may hold U+2028 and its kin, which JSON leaves as they are.
    *lines, last = read_text(path).split("\n")
    for number, line in enumerate([*lines, *filter(None, [last])], start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            if number > len(lines):
                return
            raise StoreError(f"{path}, line {number} is no JSON: {line[:80]!r}") from error
