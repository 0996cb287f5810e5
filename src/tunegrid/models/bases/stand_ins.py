"""Files that stand where a base's own should: a web page, or a pointer of git-lfs.

Owns: telling them by their first bytes. Both come of an ordinary download, and the readers of
tokenizers and weights say of them what helps nobody (`invalid load key, '<'`).
"""

from __future__ import annotations

from pathlib import Path

from tunegrid.config.errors import ConfigError
from tunegrid.store.inputs import locate

_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html")
_BYTES_READ = 512


def refuse(path: str) -> None:
    """Raise where files of a base are pointers or web pages.

    Args:
        path: a base's directory; a repository id of the hub is left to its cache.

    Raises:
        ConfigError: names every such file and what it is.
    """
    directory = Path(path)
    if not directory.is_dir():
        return
    files = sorted({file for pattern in locate.BASE_FILES for file in directory.glob(pattern)})
    found = [f"{file.name} is {kind}" for file in files if (kind := _kind(file)) is not None]
    if found:
        raise ConfigError(
            f"model.path: in {path!r} {'; '.join(found)}, instead of the base's own file; run "
            "`git lfs pull` where it was cloned, or download the base again (`hf download`)"
        )


def _kind(file: Path) -> str | None:
    """Return what a file is that should not be there, or None."""
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        first = opened.read(_BYTES_READ)
    if first.startswith(_POINTER):
        return "a pointer of git-lfs"
    # A page may begin with a byte-order mark or empty lines.
    if first.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGES):
        return "a web page (HTML)"
    return None
