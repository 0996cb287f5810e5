"""Collections, counts and a seed become the examples a cell trains on, with a manifest.

Owns: which examples of which file are drawn, held out and in what order. Knows nothing of raw
formats, prompts or tokens.

Every example has a rank for each purpose (draw, validation, order): a hash of the seed, the
purpose, the content hash of its file and its record number. The lowest ranks are drawn. So

- a draw depends on no other collection, on no name and on no path: the identity of a cell
  replaces paths by contents, and two cells of one identity must train on one mixture;
- a smaller count is a part of a larger one of the same seed;
- no library's random generator is involved, whose streams change over versions.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, DataError, all_problems
from tunegrid.config.functions import check_options
from tunegrid.config.ranges import range_problems
from tunegrid.config.schema import CollectionConfig, DataConfig
from tunegrid.data.example import Example
from tunegrid.data.read import ReadFile, read_files, reasons

REJECTED_EXAMPLES = 20


@dataclass(frozen=True)
class Mixture:
    """Training examples in their order, the held-out ones, and a JSON-able account of both."""

    train: list[Example]
    validation: list[Example]
    manifest: dict[str, Any]


@dataclass(frozen=True)
class _Drawn:
    """One example of the union: its collection's number and the hash of its file."""

    collection: int
    sha256: str
    example: Example

    @property
    def content(self) -> tuple[str, ...]:
        return self.example.texts


def effective_collections(data: DataConfig) -> list[CollectionConfig]:
    """Return the collections of a mixture: the named ones, then one for each plain file.

    A plain file's collection is named by the file's stem; a name that is taken gets `-2`, `-3`.

    Raises:
        ConfigError: a file given twice, or two collections of one name.

    """
    named = list(data.collections.values())
    problems = [
        f"two collections are named {name!r}; give each a name of its own"
        for name, times in Counter(c.name for c in named).items()
        if times > 1
    ]
    within = {_normal(file): c.name for c in named for file in c.files}
    for file, times in Counter(_normal(file) for file in data.files).items():
        if times > 1:
            problems.append(f"data.files names {file} {times} times; name it once")
        if file in within:
            problems.append(
                f"data.files names {file}, which collection {within[file]!r} holds already; "
                "name it once"
            )
    if problems:
        raise ConfigError(all_problems("the mixture cannot be composed", problems))
    taken = {collection.name for collection in named}
    plain = []
    for file in data.files:
        stem, number = Path(file).stem, 2
        name = stem
        while name in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name)
        plain.append(CollectionConfig(name=name, files=[file]))
    return named + plain


def compose(
    collections: Sequence[CollectionConfig],
    *,
    seed: int,
    validation_examples: int,
    max_characters: int | None,
    max_rejected_share: float,
    root: Path,
) -> Mixture:
    """Return the mixture of the collections; equal arguments and files give equal mixtures.

    Validation examples come from those of the union that occur once, so that none has a twin in
    training. Exact duplicates are counted and stay.

    Args:
        collections: what to mix; their order changes nothing.
        seed: governs every draw and the order; 0 is a seed.
        validation_examples: how many to hold out of the union.
        max_characters: longer examples (instruction, input and output together) are left out.
        max_rejected_share: a file with a larger share (0 to 1) of rejected records is refused.
        root: directory to which relative paths refer.

    Raises:
        ConfigError: options a reader does not take, or more examples asked for than there are.
        DataError: a missing or unreadable file, too many rejected records, or no example left.

    """
    collections = sorted(collections, key=lambda collection: collection.name)
    _check(collections, validation_examples, max_characters, max_rejected_share)
    read = read_files(collections, root, max_rejected_share)
    kept, too_long, union = _draw(collections, read, seed, max_characters)
    counts = Counter(drawn.content for drawn in union)
    held_out = _hold_out(union, counts, seed, validation_examples)
    ordered = _by_rank(union, seed, "order")
    train = [drawn for drawn in ordered if id(drawn) not in held_out]
    validation = [drawn for drawn in ordered if id(drawn) in held_out]
    entries = [
        _entry(collection, read[i], kept[i], too_long[i], _of(i, train), _of(i, validation))
        for i, collection in enumerate(collections)
    ]
    summed = ("read", "rejected", "too_long", "drawn", "in_train", "in_validation", "characters")
    manifest = {
        "seed": seed,
        "validation_examples": validation_examples,
        "max_characters": max_characters,
        "max_rejected_share": max_rejected_share,
        "collections": entries,
        "totals": {key: sum(entry[key] for entry in entries) for key in summed}
        | {"duplicates": len(union) - len(counts)},
    }
    return Mixture([d.example for d in train], [d.example for d in validation], manifest)


def _check(
    collections: Sequence[CollectionConfig],
    validation_examples: int,
    max_characters: int | None,
    max_rejected_share: float,
) -> None:
    """Raise ConfigError for what is wrong without reading a file."""
    problems = []
    if not collections:
        problems.append("no collection and no file is named; give data.files or data.collections")
    limits = DataConfig(
        validation_examples=validation_examples,
        max_characters=max_characters,
        max_rejected_share=max_rejected_share,
        collections={collection.name: collection for collection in collections},
    )
    problems += range_problems(limits, "data.")
    names = Counter(collection.name for collection in collections)
    problems += [f"two collections are named {n!r}; rename one" for n in names if names[n] > 1]
    for collection in collections:
        where = f"collection {collection.name!r}"
        if not collection.files:
            problems.append(f"{where} names no file; give it `files`")
        for file, times in Counter(_normal(file) for file in collection.files).items():
            if times > 1:
                problems.append(f"{where} names {file} {times} times; name it once")
        options = check_options(
            "collection", collection.function, collection.options, supplied=["path"]
        )
        problems += [f"{where}: {problem}" for problem in options]
    if problems:
        raise ConfigError(all_problems("the mixture cannot be composed", problems))


def _draw(
    collections: Sequence[CollectionConfig],
    read: Sequence[Sequence[ReadFile]],
    seed: int,
    max_characters: int | None,
) -> tuple[list[int], list[int], list[_Drawn]]:
    """Return the usable and the too long examples of each collection, and the union drawn."""
    kept, too_long, union, problems = [], [], [], []
    for number, (collection, files) in enumerate(zip(collections, read, strict=True)):
        usable = []
        longer = 0
        for file in files:
            source = f"{collection.name}/{Path(file.name).name}"
            for example in file.reading.examples:
                if max_characters is not None and example.characters > max_characters:
                    longer += 1
                else:
                    example = replace(example, source=source)
                    usable.append(_Drawn(number, file.sha256, example))
        if collection.count is not None:
            if collection.count > len(usable):
                problems.append(
                    f"collection {collection.name!r} asks for {collection.count:,} examples and "
                    f"has {len(usable):,} ({longer:,} are longer than max_characters); "
                    "lower its count, or leave it null to take all"
                )
            usable = _by_rank(usable, seed, "draw")[: collection.count]
        kept.append(len(usable))
        too_long.append(longer)
        union += usable
    if problems:
        raise ConfigError(all_problems("more examples are asked for than there are", problems))
    if not union:
        raise DataError(
            f"no example is left of {sum(too_long):,} (max_characters is {max_characters}); "
            "raise data.max_characters or give other files"
        )
    return kept, too_long, union


def _hold_out(
    union: Sequence[_Drawn], counts: Counter[tuple[str, ...]], seed: int, number: int
) -> set[int]:
    """Return the `id` of the examples held out, none of which has a twin in the union."""
    if number == 0:
        return set()
    single = [drawn for drawn in union if counts[drawn.content] == 1]
    if number > len(single) or number >= len(union):
        raise ConfigError(
            f"data.validation_examples is {number:,}, but the mixture has {len(union):,} examples, "
            f"{len(single):,} of them without a duplicate, and one must stay for training; "
            "lower it or add data"
        )
    return {id(drawn) for drawn in _by_rank(single, seed, "validation")[:number]}


def _entry(
    collection: CollectionConfig,
    files: Sequence[ReadFile],
    drawn: int,
    too_long: int,
    train: Sequence[_Drawn],
    validation: Sequence[_Drawn],
) -> dict[str, Any]:
    """Return the manifest's entry of one collection."""
    rejected = [(file, rejection) for file in files for rejection in file.reading.rejected]
    both = [*train, *validation]
    return {
        "name": collection.name,
        "function": collection.function,
        "files": [
            {
                "path": file.name,
                "sha256": file.sha256,
                "recognised": file.reading.form,
                "records": file.records,
                "rejected": len(file.reading.rejected),
            }
            for file in files
        ],
        "read": sum(file.records for file in files),
        "rejected": len(rejected),
        "rejected_reasons": reasons(rejection for _, rejection in rejected),
        "rejected_examples": [
            {
                "file": file.name,
                "line": rejection.line,
                "position": rejection.position,
                "reason": rejection.reason,
                "excerpt": rejection.excerpt,
            }
            for file, rejection in rejected[:REJECTED_EXAMPLES]
        ],
        "too_long": too_long,
        "count": collection.count,
        "drawn": drawn,
        "in_train": len(train),
        "in_validation": len(validation),
        "characters": sum(drawn.example.characters for drawn in both),
        "duplicates": len(both) - len({drawn.content for drawn in both}),
    }


def _by_rank(examples: Sequence[_Drawn], seed: int, purpose: str) -> list[_Drawn]:
    """Return the examples by their rank for a purpose."""
    begun: dict[str, Any] = {}

    def rank(drawn: _Drawn) -> tuple[bytes, tuple[str, ...]]:
        if drawn.sha256 not in begun:
            text = f"tunegrid mixture\n{seed}\n{purpose}\n{drawn.sha256}\n"
            begun[drawn.sha256] = hashlib.sha256(text.encode())
        digest = begun[drawn.sha256].copy()
        digest.update(b"%d" % drawn.example.position)
        # Two collections may read one file in two ways; their names must not decide.
        return digest.digest(), drawn.content

    return sorted(examples, key=rank)


def _of(collection: int, examples: Iterable[_Drawn]) -> list[_Drawn]:
    return [drawn for drawn in examples if drawn.collection == collection]


def _normal(file: str) -> str:
    return os.path.normpath(file)
