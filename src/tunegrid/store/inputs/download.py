"""Bringing what is missing, one input after another; one that fails does not stop the others.

Owns: the order, and what is said about each input.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tunegrid.config.errors import TunegridError
from tunegrid.store.inputs import https, hub
from tunegrid.store.inputs.hub_cache import RemoteFile
from tunegrid.store.inputs.listing import MISSING, Listed
from tunegrid.store.inputs.sources import BASE, Input

Say = Callable[[str], None]


@dataclass(frozen=True)
class Failure:
    """An input that could not be brought."""

    input: Input
    reason: str


def bring_all(found: Sequence[Listed], say: Say | None = None) -> list[Failure]:
    """Bring every missing input and return those that could not be.

    Args:
        found: the list, as it was shown.
        say: takes a line about each input; prints to standard error by default.
    """
    tell = say or (lambda line: print(line, file=sys.stderr, flush=True))
    missing = [one for one in found if one.state == MISSING]
    failures = []
    for number, one in enumerate(missing, start=1):
        tell(f"[{number}/{len(missing)}] {one.input.kind} {one.input.name} from {one.input.origin}")
        try:
            bring(one, tell)
        except TunegridError as error:
            failures.append(Failure(one.input, str(error)))
            tell(f"  failed: {error}")
        except OSError as error:
            reason = f"{type(error).__name__}: {error}"
            failures.append(Failure(one.input, reason))
            tell(f"  failed: {reason}")
    return failures


def bring(one: Listed, tell: Say) -> None:
    """Bring one input.

    Raises:
        DataError: a server refuses, or a hash is wrong.
        StoreError: the disk refuses.
    """
    if one.input.kind == BASE:
        folder = hub.bring_base(one.input, one.repository or hub.base_repository(one.input))
        tell(f"  in {folder}")
        if one.input.revision != folder.name:
            tell(
                f"  commit {folder.name}, which cells are named by; model.revision={folder.name} "
                "holds on to it on other machines, too"
            )
        return
    repository = one.repository
    if repository is None and one.input.repository is not None:
        repository = hub.dataset_files(one.input)
    known = {file.name: file for file in repository.files} if repository else {}
    for file in one.input.files:
        if file.path.exists():
            continue
        stated = known.get(file.name)
        if file.sha256 is not None:
            stated = RemoteFile(file.name, None, file.sha256.lower(), None)
        if repository is not None and stated is not None:
            hub.bring_file(one.input, file.name, repository.commit, stated, file.path)
        else:
            check = None if stated is None else partial(hub.is_intact, file=stated)
            https.bring(one.input.address(file), file.path, headers={}, is_right=check)
        tell(f"  {file.path}" + (" (no hash is stated for it)" if stated is None else ""))
    if repository is not None:
        for directory in {file.path.parent for file in one.input.files}:
            hub.forget_parts(directory)
