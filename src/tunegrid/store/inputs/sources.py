"""What the cells of a sweep need, each input once, with where it comes from and goes to.

Owns: the step from settings to inputs, and refusing names and addresses that could reach outside
the project or be sent in the clear. Asks no server and reads no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from tunegrid.config import schema
from tunegrid.config.errors import ConfigError, DataError, all_problems
from tunegrid.config.schema import BenchmarkConfig, CellConfig, SourceConfig
from tunegrid.store.inputs import locate

BASE, COLLECTION, BENCHMARK = "base", "collection", "benchmark"
KINDS = (BASE, COLLECTION, BENCHMARK)
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class OutOfReach(DataError):
    """A server that cannot be asked now: no network, or it does not answer."""


@dataclass(frozen=True)
class File:
    """One file of a collection or benchmark."""

    name: str
    """At its source."""
    path: Path
    """Where it is brought to; absolute."""
    sha256: str | None = None
    """Stated hash; None where only the server knows."""


@dataclass(frozen=True)
class Input:
    """One base, collection or benchmark."""

    kind: str
    name: str
    repository: str | None = None
    """A base's model repository, or the dataset repository of the files."""
    revision: str | None = None
    url: str | None = None
    files: tuple[File, ...] = ()
    """Empty for a base: its repository says which."""
    stated_bytes: int | None = None
    by_hand: str | None = None
    """What to do where there is no source."""

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        if self.repository is not None:
            kind = "" if self.kind == BASE else "datasets/"
            return f"{kind}{self.repository}" + (f"@{self.revision}" if self.revision else "")
        return self.url or "–"

    def address(self, file: File) -> str:
        """Return the https address of a file of an input with a `url`."""
        return f"{(self.url or '').rstrip('/')}/{quote(file.name)}"


def inputs_of(configs: Iterable[CellConfig], project: Path) -> list[Input]:
    """Return the distinct inputs of cells: bases, then collections, then benchmarks.

    Args:
        configs: settings of the cells; paths are relative to the project, or absolute where
            something lies there already.
        project: the directory below which files are brought.

    Raises:
        ConfigError: names, addresses or places that are not accepted, all at once.
    """
    found: dict[tuple[str, ...], Input] = {}
    problems: dict[str, None] = {}
    for config in configs:
        for one in _inputs(config, project, problems):
            places = [str(file.path) for file in one.files] or [one.repository or one.name]
            key = (one.kind, str(one.revision) if one.kind == BASE else "", *places)
            known = found.setdefault(key, one)
            if known != one and (known.origin, known.files) != (one.origin, one.files):
                problems[
                    f"{one.kind} {one.name}: {places[0]} would come from {known.origin} for one "
                    f"cell and from {one.origin} for another; give one source"
                ] = None
    if problems:
        raise ConfigError(all_problems("the sweep's inputs are not accepted", list(problems)))
    return sorted(found.values(), key=lambda one: (KINDS.index(one.kind), one.name))


def _inputs(config: CellConfig, project: Path, problems: dict[str, None]) -> Iterator[Input]:
    yield from _bases(config)
    if config.peft.function is not None:
        for path in config.data.files:
            hand = "put the file there, or name yours with data.files=[...]"
            place = _place(path, project, f"data.files: {path}", problems)
            yield Input(COLLECTION, Path(path).stem, files=(File(path, place),), by_hand=hand)
        for name, collection in config.data.collections.items():
            setting = f"data.collections.{name}"
            places = [_place(path, project, f"{setting}.files", problems)
                      for path in collection.files]  # fmt: skip
            hand = f"put its files there, or name yours with {setting}.files=[...]"
            one = Input(COLLECTION, name, by_hand=hand)
            yield _sourced(one, collection.source, collection.files, places, setting, problems)
    for name, benchmark in schema.benchmarks(config).items():
        yield _benchmark(name, benchmark, project, problems)


def _bases(config: CellConfig) -> Iterator[Input]:
    model, directory = config.model, Path(config.model.path)
    is_here = directory.is_dir()
    if schema.is_api(model):
        pass  # Nothing of it can be brought.
    elif is_here or directory.is_absolute() or not locate.is_repository_id(model.path):
        hand = model.where_from or "put the base's directory there, or give a hub id as model.path"
        files = (File(model.path, directory),)
        yield Input(BASE, model.name, files=files, by_hand=hand)
    else:
        yield Input(BASE, model.name, model.path, model.revision, stated_bytes=model.download_bytes)
    # A judge that is a model is loaded like a base.
    for option in locate.path_options("judge", config.judge.function, config.judge.options):
        path = config.judge.options[option]
        if not Path(path).is_absolute() and locate.is_repository_id(path):
            yield Input(BASE, f"judge {config.judge.name}", path,
                        config.judge.options.get("revision"))  # fmt: skip


def _benchmark(
    name: str, settings: BenchmarkConfig, project: Path, problems: dict[str, None]
) -> Input:
    setting = f"eval.benchmarks.{name}"
    target = _place(settings.path, project, f"{setting}.path", problems)
    names = settings.source.files if settings.source is not None else []
    if target.suffix:
        # The path is the first file; what belongs to it lies beside it.
        beside = [target.parent / PurePosixPath(one).name for one in names[1:]]
        places = [target, *beside][: len(names)]
    else:
        places = [target / PurePosixPath(one) for one in names if _is_safe(one)]
    one = Input(BENCHMARK, name, by_hand=locate.where_from(name, settings))
    if not names:
        return replace(one, files=(File(settings.path, target),))
    return _sourced(one, settings.source, [str(p) for p in places], places, setting, problems)


def _sourced(
    one: Input,
    source: SourceConfig | None,
    paths: Sequence[str],
    places: Sequence[Path],
    setting: str,
    problems: dict[str, None],
) -> Input:
    """Return an input with its source, or with what to do by hand where it has none."""
    if source is None or (source.repository is None and source.url is None):
        files = tuple(File(path, place) for path, place in zip(paths, places, strict=True))
        return replace(one, files=files)
    found = list(_source_problems(source, len(places), f"{setting}.source"))
    problems.update(dict.fromkeys(found))
    if found:
        return one
    hashes: Sequence[str | None] = source.sha256 or [None] * len(source.files)
    return replace(
        one,
        repository=source.repository,
        revision=source.revision,
        url=source.url,
        stated_bytes=source.size_bytes,
        by_hand=None,
        files=tuple(map(File, source.files, places, hashes)),
    )


def _source_problems(source: SourceConfig, places: int, setting: str) -> Iterator[str]:
    if source.repository is not None and source.url is not None:
        yield f"{setting}: give a repository or a url, not both"
    if source.repository is not None and not locate.is_repository_id(source.repository):
        yield f"{setting}.repository: {source.repository!r} has not the form owner/name"
    if source.url is not None:
        parts = urlsplit(source.url)
        local = parts.hostname in LOCAL_HOSTS
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            yield f"{setting}.url: {source.url!r} does not begin with https://"
        elif parts.username or parts.password:
            yield f"{setting}.url: an address holds no user name and no password"
    unsafe = [name for name in source.files if not _is_safe(name)]
    if unsafe:
        yield (
            f"{setting}.files: {unsafe[0]!r} is not accepted; give names below the source, with /, "
            "not absolute and without '..'"
        )
    elif len(source.files) != places:
        yield (
            f"{setting}.files: {len(source.files)} names for {places} paths; give one for each, in "
            "the same order"
        )
    if source.sha256 and len(source.sha256) != len(source.files):
        yield (
            f"{setting}.sha256: {len(source.sha256)} hashes for {len(source.files)} files; "
            "give one for each, or none"
        )


def _is_safe(name: str) -> bool:
    """Return whether a file's name at its source stays below it, on every system."""
    parts = name.split("/")
    return (
        all(part not in ("", ".", "..") for part in parts)
        and not any(sign in name for sign in "\\\0\n\r:")
        and not name.startswith("~")
    )


def _place(path: str, project: Path, setting: str, problems: dict[str, None]) -> Path:
    """Return where a path lies: anywhere if it is there already, else below the project."""
    given = Path(path)
    place = given if given.is_absolute() else project / given
    # A link inside the project, such as inputs/ on a larger disk, is its owner's wish.
    if not place.exists() and (".." in given.parts or not place.is_relative_to(project)):
        problems[
            f"{setting}: {path!r} lies outside of {project}; files are brought only below the "
            "project. Give a relative path without '..', or put the file there by hand"
        ] = None
    return place
