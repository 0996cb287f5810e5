"""Reads the files of collections with their readers, and refuses what cannot be used.

Owns: finding the files, calling the readers, and how many rejected records are too many. Knows
nothing of counts, seeds, prompts or tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunegrid.config.errors import DataError, all_problems
from tunegrid.config.fingerprint import file_sha256
from tunegrid.config.functions import find_function
from tunegrid.config.schema import CollectionConfig
from tunegrid.data.reading import Reading, Rejection

SHOWN_REJECTIONS = 5


@dataclass(frozen=True)
class ReadFile:
    """One read file: its path as configured, the hash of its content and what it holds."""

    name: str
    sha256: str
    reading: Reading

    @property
    def records(self) -> int:
        """The records of the file, rejected ones included."""
        return self.reading.records


def read_files(
    collections: Sequence[CollectionConfig], root: Path, max_rejected_share: float
) -> list[list[ReadFile]]:
    """Return the read files of each collection, in its order.

    Args:
        collections: with options their readers take.
        root: directory to which relative paths refer.
        max_rejected_share: a file with a larger share (0 to 1) of rejected records is refused.

    Raises:
        DataError: files are missing (all are named), a file cannot be read, or too many of its
            records are rejected (with the count of each reason and the first of them).

    """
    missing = []
    for collection in collections:
        for name in collection.files:
            path = root / name
            if not path.is_file():
                missing.append(
                    f"collection {collection.name!r}: there is no file {name!r} (looked for "
                    f"{path}); put it there, or name your copy with data.files=[<path>] or "
                    f"data.collections.{collection.name}.files=[<path>]"
                )
    if missing:
        raise DataError(all_problems("data files are missing", missing))
    result, refused = [], []
    for collection in collections:
        function = find_function("collection", collection.function)
        files = []
        for name in collection.files:
            path = root / name
            file = ReadFile(name, file_sha256(path), function(path, **collection.options))
            if len(file.reading.rejected) > max_rejected_share * file.records:
                refused.append(_refusal(collection, file, max_rejected_share))
            files.append(file)
        result.append(files)
    if refused:
        raise DataError(all_problems("too many records cannot be used", refused))
    return result


def _refusal(collection: CollectionConfig, file: ReadFile, max_rejected_share: float) -> str:
    """Return the message about a file with too many rejected records."""
    rejected = file.reading.rejected
    lines = [
        f"{file.name}: {len(rejected):,} of {file.records:,} records "
        f"({len(rejected) / file.records:.1%}, accepted is {max_rejected_share:.1%}) are rejected:"
    ]
    lines += [f"    {times:,} x {reason}" for reason, times in reasons(rejected).items()]
    lines += [f"    {r.place}: {r.reason}: {r.excerpt}" for r in rejected[:SHOWN_REJECTIONS]]
    lines.append(
        f"    Repair the file, name its fields in the options of {collection.function} "
        "(such as output_key), or raise data.max_rejected_share"
    )
    return "\n".join(lines)


def reasons(rejected: Iterable[Rejection]) -> dict[str, int]:
    """Return how often each reason occurs, the most frequent first."""
    return dict(Counter(rejection.reason for rejection in rejected).most_common())
