"""The model hub's cache on this machine: which bases are whole in it. Asks no server.

Owns: what a repository is known to hold, and how that is looked up in the cache.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tunegrid.store.inputs.sources import Input

SAFE, PICKLED = ".safetensors", ".bin"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository."""

    name: str
    size_bytes: int | None
    sha256: str | None
    """Of large files; the hub knows small ones by git's hash alone."""
    git_sha1: str | None


@dataclass(frozen=True)
class Repository:
    """What is needed of a repository at one commit."""

    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes or 0 for file in self.files)


def is_cached(one: Input, repository: Repository | None) -> bool:
    """Return whether a base is whole in the hub's cache, so that it loads without a network.

    Args:
        one: the base.
        repository: what the hub says it needs; None judges by the cache alone.
    """
    if repository is not None:
        # A commit that the cache has under no name would not be found offline.
        known = all(path_of(one, file.name, repository.commit) for file in repository.files)
        return known and path_of(one, "config.json", one.revision) is not None
    config = path_of(one, "config.json", one.revision)
    if config is None:
        return False
    here = sorted(path.name for path in config.parent.iterdir())
    for whole in (f"model{SAFE}", f"pytorch_model{PICKLED}"):
        if whole in here:
            return True
        if f"{whole}.index.json" in here:
            return _shards(config.parent / f"{whole}.index.json") <= set(here)
    return any(name.endswith((SAFE, PICKLED)) for name in here)


def bytes_to_bring(one: Input, repository: Repository) -> int:
    """Return the size of the files of a base that are not in the cache yet."""
    absent = [f for f in repository.files if path_of(one, f.name, repository.commit) is None]
    return sum(file.size_bytes or 0 for file in absent)


def cache() -> Path:
    """Return the directory of the hub's cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def path_of(one: Input, name: str, revision: str | None) -> Path | None:
    """Return where the cache has a file of a repository, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(str(one.repository), name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _shards(index: Path) -> set[str]:
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError):
        return {"an index that cannot be read"}
