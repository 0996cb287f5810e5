"""A folder that is written whole, or not at all.

Owns: the unfinished folder beside it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tunegrid.config.errors import ConfigError


@contextlib.contextmanager
def whole_or_nothing(directory: Path) -> Iterator[Path]:
    """Yield a directory to write into that becomes `directory` once all went well."""
    unfinished = directory.with_name(f".{directory.name}.unfinished-{os.getpid()}")
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if directory.exists():
            directory.rmdir()
        os.rename(unfinished, directory)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def refuse_content(directory: Path) -> None:
    """Refuse a directory that holds something.

    Raises:
        ConfigError: it does.
    """
    if directory.exists() and any(directory.iterdir()):
        raise ConfigError(f"{directory} is not empty; name a new directory")
