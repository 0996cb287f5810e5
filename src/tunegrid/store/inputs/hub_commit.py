"""The commit of a base on the model hub, and whether the base is in the hub's cache here.

Owns: from repository and revision to a commit: branches and tags move, commits do not. What the
hub's cache on this machine has counts first, so that a study goes on with the base it began with;
the hub is asked for the rest.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

MAIN = "main"
TIMEOUT_SECONDS = 10.0
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_commit(revision: str | None) -> bool:
    """Return whether a revision is a full commit."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def commit_of(repository: str, revision: str | None) -> str | None:
    """Return the commit that a revision means, or None where nobody here knows.

    Args:
        repository: `owner/name` on the hub.
        revision: a commit, branch or tag; None means the main branch.
    """
    if is_commit(revision):
        return revision
    return cached_commit(repository, revision) or _commit_on_hub(repository, revision or MAIN)


def cached_commit(repository: str, revision: str | None) -> str | None:
    """Return the commit that the cache on this machine has under a revision; asks no server."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    if is_commit(revision):
        return revision
    folder = repo_folder_name(repo_id=repository, repo_type="model")
    try:
        text = Path(constants.HF_HUB_CACHE, folder, "refs", revision or MAIN).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return text.strip() if is_commit(text.strip()) else None


@functools.cache
def _commit_on_hub(repository: str, revision: str) -> str | None:
    """Return what the hub says, asked once for the cells of a sweep; None where it does not."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        return None
    try:
        found = HfApi().model_info(repository, revision=revision, timeout=TIMEOUT_SECONDS).sha
    except Exception:
        # No network, no such repository, no access: whoever loads the base says which.
        return None
    return found if is_commit(found) else None


def cached_config(repository: str, revision: str | None) -> Path | None:
    """Return where the cache has a base's config.json, or None; asks no server."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(repository, "config.json", revision=revision)
    except ValueError:
        # A directory's path is no repository.
        return None
    return Path(found) if isinstance(found, str) else None
