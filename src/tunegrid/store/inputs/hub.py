"""The model hub: what a repository holds, which of it is needed, and bringing bases.

Owns: every call to huggingface_hub that fetching makes. Bases lie in the hub's own cache, where
transformers finds them without a network. No code of a repository is brought or run.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.store.inputs import hub_cache
from tunegrid.store.inputs.hub_cache import PICKLED, SAFE, RemoteFile, Repository
from tunegrid.store.inputs.sources import Input, OutOfReach
from tunegrid.store.json_files import disk_errors

TIMEOUT_SECONDS = 20.0
DESCRIBING = (".json", ".model", ".jinja", ".txt")
"""Configuration and tokenizer; what else ends so and is small does no harm."""
BLOCK_BYTES = 1 << 20
PARTS = ".fetching"
"""Beside files that are brought: what is there of them so far."""


def base_repository(one: Input) -> Repository:
    """Return what is needed of a base's repository, asked from the hub.

    Raises:
        OutOfReach: the hub does not answer.
        DataError: no such repository, no access, or no weights in it.
    """
    from huggingface_hub import HfApi

    with Explained(one):
        info = HfApi().model_info(
            _id(one), revision=one.revision, files_metadata=True, timeout=TIMEOUT_SECONDS
        )
    named = {s.rfilename: s for s in info.siblings or []}
    chosen = needed(named)
    if not chosen:
        raise DataError(
            f"{one.origin} has no weights ({SAFE} or {PICKLED}) beside its config.json; "
            "check model.path and model.revision"
        )
    return Repository(str(info.sha), tuple(_remote(name, named[name]) for name in chosen))


def dataset_files(one: Input) -> Repository:
    """Return the files of a dataset repository that an input names, in its order.

    Raises:
        OutOfReach: the hub does not answer.
        DataError: no such repository or file, or no access.
    """
    from huggingface_hub import HfApi

    api, names = HfApi(), [file.name for file in one.files]
    with Explained(one):
        info = api.dataset_info(_id(one), revision=one.revision, timeout=TIMEOUT_SECONDS)
        commit = str(info.sha)
        paths = api.get_paths_info(_id(one), names, revision=commit, repo_type="dataset")
    found = {path.path: path for path in paths if getattr(path, "blob_id", None) is not None}
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(
            f"{one.origin} has no file {missing[0]!r} at {commit[:12]}; correct `source.files`, or "
            "name the revision that had it in `source.revision`"
        )
    return Repository(commit, tuple(_remote(name, found[name]) for name in names))


def needed(names: Iterable[str]) -> list[str]:
    """Return the files of a model repository that loading it needs; none when it has no weights.

    Configuration, tokenizer and weights of the top folder. Pickles only where there are no
    safetensors; a second copy of the weights in another layout (`consolidated`) is left out.
    """
    top = sorted(name for name in names if "/" not in name)
    weights = [name for name in top if name.endswith(SAFE)]
    named = [name for name in weights if name.startswith("model")]
    if not weights:
        named = [n for n in top if n.startswith("pytorch_model") and n.endswith(PICKLED)]
    kept = named or weights
    if not kept:
        return []
    # The index of weights that are left out would be looked up before the weights that are here.
    other = PICKLED if weights else SAFE
    return kept + [
        name
        for name in top
        if name.endswith(DESCRIBING) and not name.endswith(f"{other}.index.json")
    ]


def bring_base(one: Input, repository: Repository) -> Path:
    """Download a base into the hub's cache and return its folder there, its files' hashes checked.

    Files that are there already are not downloaded again.

    Raises:
        DataError: it cannot be reached, or a file is not what the hub says it should be.
    """
    from huggingface_hub import snapshot_download

    before = {
        file.name
        for file in repository.files
        if hub_cache.path_of(one, file.name, repository.commit)
    }
    with Explained(one), _bars() as bar:
        # By its revision's name, so that the cache knows which commit `main` is without a network.
        folder = Path(
            snapshot_download(
                _id(one),
                revision=one.revision,
                allow_patterns=[glob.escape(file.name) for file in repository.files],
                etag_timeout=TIMEOUT_SECONDS,
                tqdm_class=bar,
            )
        )
    if folder.name != repository.commit:
        raise DataError(
            f"{one.origin} moved from commit {repository.commit} to {folder.name} meanwhile; run "
            "the same command again, or pin a commit with model.revision"
        )
    wrong = [
        file.name for file in repository.files
        if file.name not in before and not is_intact(folder / file.name, file)
    ]  # fmt: skip
    for name in wrong:
        _remove(folder / name)
    if wrong:
        raise DataError(
            f"{one.origin}: {', '.join(wrong)} arrived with another hash than the hub states, and "
            "was removed; run the same command again"
        )
    return folder


@contextlib.contextmanager
def _bars() -> Iterator[Any]:
    """Give a class of progress bars, shown in a terminal alone and gone when the block ends.

    The hub's library leaves its bars open, so that they would be drawn over what is said next.
    """
    from huggingface_hub.utils import tqdm as hub_tqdm

    shown: list[Any] = []

    class Bar(hub_tqdm):  # type: ignore[misc]
        def __init__(self, *values: Any, **settings: Any) -> None:
            settings |= {"leave": False, "disable": not sys.stderr.isatty()}
            super().__init__(*values, **settings)
            shown.append(self)

    try:
        yield Bar
    finally:
        for bar in shown:
            bar.close()


def is_intact(path: Path, file: RemoteFile) -> bool:
    """Return whether a file has the hash that the hub states; without a hash, the size."""
    try:
        size = path.stat().st_size
        if file.sha256 is not None:
            return _digest(path, hashlib.sha256()) == file.sha256
        if file.git_sha1 is not None:
            # Git hashes a file behind its length; the hub has no other hash of small files.
            start = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
            return _digest(path, start) == file.git_sha1
    except OSError:
        return False
    return file.size_bytes is None or size == file.size_bytes


def bring_file(one: Input, name: str, commit: str, file: RemoteFile, target: Path) -> None:
    """Download a file of a dataset repository to a place outside of the hub's cache.

    What an interrupted download has lies beside the target and is continued. The target has its
    name once its hash is right.

    Args:
        one: the input.
        name: the file's name in the repository.
        commit: the repository's commit.
        file: its hash, or the input's own.
        target: where it goes; another file there is replaced.

    Raises:
        DataError: it cannot be reached, or is not what the hub says it should be.
    """
    from huggingface_hub import hf_hub_download

    beside = target.parent / PARTS
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with Explained(one), _bars() as bar:
            path = Path(
                hf_hub_download(
                    _id(one), name, repo_type="dataset", revision=commit, local_dir=beside,
                    etag_timeout=TIMEOUT_SECONDS, tqdm_class=bar,
                )
            )  # fmt: skip
        if not is_intact(path, file):
            forget_parts(target.parent)
            raise DataError(
                f"{one.origin}: {name} arrived with another hash than is stated, and was removed; "
                "run the same command again, or correct the stated hash"
            )
        os.replace(path, target)


def forget_parts(directory: Path) -> None:
    """Remove what downloads into a directory have left, once all of them are there."""
    shutil.rmtree(directory / PARTS, ignore_errors=True)


class Explained:
    """Turns the hub's errors into a DataError that says what to do."""

    def __init__(self, one: Input) -> None:
        self.one = one

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            # The hub's own connection errors are of the library it speaks with, whichever that is.
            names = {base.__name__ for base in type(error).__mro__}
            away = bool(names & {"TransportError", "ConnectionError", "OfflineModeIsEnabled"})
            raise (OutOfReach if away else DataError)(explained(self.one, error)) from error


def explained(one: Input, error: Exception) -> str:
    """Return what an error of the hub means for an input and what to do."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{one.origin.partition('@')[0]}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError) or status in (401, 403):
        return (
            f"{one.origin} is gated, private or does not exist, and the hub gave no access "
            f"(status {status}). Ask for access at {page} and set the environment variable "
            "HF_TOKEN to a token of yours that may read it, or correct the name"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{one.origin}: there is no such revision; {page} lists them"
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return f"{one.origin}: there is nothing at {page}; correct its name"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{one.origin}: HF_HUB_OFFLINE is set; unset it on a machine with network"
    return f"{one.origin}: the hub did not answer as expected: {type(error).__name__}: {error}"


def _id(one: Input) -> str:
    return str(one.repository)


def _remote(name: str, entry: Any) -> RemoteFile:
    sha256 = entry.lfs.sha256 if entry.lfs is not None else None
    return RemoteFile(name, entry.size, sha256, None if sha256 else entry.blob_id)


def _digest(path: Path, state: Any) -> str:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            state.update(block)
    return str(state.hexdigest())


def _remove(path: Path) -> None:
    """Remove a cached file and what it links to."""
    for one in (path.resolve(), path):
        one.unlink(missing_ok=True)
