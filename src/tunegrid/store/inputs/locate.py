"""What lies at the paths of a configuration: finding it and hashing it.

Owns: the rule by which relative paths are found, and content hashes of files and bases. Knows
nothing of what the files mean.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError
from tunegrid.config.fingerprint import canonical_json, file_sha256, text_sha256
from tunegrid.config.functions import find_module
from tunegrid.config.schema import (
    API_IDENTITY,
    BenchmarkConfig,
    CellConfig,
    ModelConfig,
    SourceConfig,
    benchmarks,
    is_api,
)
from tunegrid.store.inputs.hub_commit import is_commit

_REPOSITORY = re.compile(r"\w[\w.-]*(/[\w-][\w.-]*)?")
# What decides a base's behaviour; a README beside it does not.
BASE_FILES = ("*.json", "*.safetensors", "*.bin", "*.model", "*.txt", "*.jinja")
# Paths are absolute once a cell is checked; this is what a relative one would start from.
CURRENT = Path()
REMEMBER_FROM_BYTES = 16 * 2**20
FETCH = "bring it with `tunegrid fetch <sweep>` on a machine with network"
COLLECTION_ABSENT = "Put the collection's file there or name where it is."


def find(path: str, places: Sequence[Path]) -> Path | None:
    """Return the first existing file or directory that `path` means, else None.

    Args:
        path: absolute, or relative to one of the places.
        places: directories in the order they are tried.
    """
    given = Path(path).expanduser()
    if given.is_absolute():
        return given if given.exists() else None
    for place in places:
        if (place / given).exists():
            return (place / given).resolve()
    return None


def is_repository_id(path: str) -> bool:
    """Return whether `path` has the form of a hub repository: `owner/name` or `name`."""
    return _REPOSITORY.fullmatch(path) is not None


def resolve_paths(
    config: CellConfig, places: Sequence[Path], absent: list[str] | None = None
) -> list[str]:
    """Replace every path of `config` that exists by its absolute form.

    Returns the problems: one line for each path at which nothing lies. A base that is no
    directory here stays as it is when it can be a hub repository.

    Args:
        config: its paths are replaced in place.
        places: where relative paths may start, in the order they are tried.
        absent: when given, the lines on paths at which nothing lies are added to it instead (a
            plan needs no files).
    """
    problems: list[str] = []
    nothing = problems if absent is None else absent

    def absolute(path: str, setting: str, how: str) -> str:
        found = find(path, places)
        if found is not None and found.is_dir() and setting.startswith("data."):
            problems.append(f"{setting}: {path!r} is a directory; name the files in it")
            return path
        if found is None:
            looked = " and ".join(str(place) for place in dict.fromkeys(places))
            nothing.append(f"{setting}: nothing lies at {path!r} (looked in {looked}). {how}")
            return path
        return str(found)

    found_base = None if is_api(config.model) else find(config.model.path, places)
    if found_base is not None:
        config.model.path = str(found_base)
    elif not is_repository_id(config.model.path):
        absolute(
            config.model.path,
            "model.path",
            config.model.where_from
            or "Give a directory with config.json, tokenizer and safetensors, or a hub id "
            "owner/name.",
        )
    config.data.files = [
        absolute(
            path,
            "data.files",
            "Give JSON, JSON lines, CSV, TSV or Parquet; docs/inputs.md has the forms.",
        )
        for path in config.data.files
    ]
    for name, collection in config.data.collections.items():
        setting = f"data.collections.{name}.files"
        collection.files = [
            absolute(path, setting, _or_fetch(COLLECTION_ABSENT, collection.source))
            for path in collection.files
        ]
    for name, benchmark in benchmarks(config).items():
        how = _or_fetch(where_from(name, benchmark), benchmark.source)
        benchmark.path = absolute(benchmark.path, f"eval.benchmarks.{name}.path", how)
        for option in path_options("benchmark", benchmark.function, benchmark.options):
            benchmark.options[option] = absolute(
                benchmark.options[option],
                f"eval.benchmarks.{name}.options.{option}",
                "Name where it is.",
            )
    if config.eval.task_folder is not None:
        config.eval.task_folder = absolute(
            config.eval.task_folder, "eval.task_folder", "Name the folder of task definitions."
        )
    for option in path_options("judge", config.judge.function, config.judge.options):
        path = config.judge.options[option]
        if find(path, places) is not None or not is_repository_id(path):
            config.judge.options[option] = absolute(
                path, f"judge.options.{option}", "Name where it is."
            )
    return problems


def path_options(group: str, function: str, options: Mapping[str, Any]) -> list[str]:
    """Return which given options of a function are paths: its module's PATH_OPTIONS."""
    return [
        name
        for name in module_constant(group, function, "PATH_OPTIONS")
        if isinstance(options.get(name), str)
    ]


def module_constant(group: str, function: str, name: str) -> tuple[str, ...]:
    """Return a tuple of option names that the module of a function defines, or ()."""
    try:
        module = find_module(group, function)
    except ConfigError:
        # Reported, with what is accepted, by the checks of the settings.
        return ()
    return tuple(getattr(module, name, ()))


def identifying_options(
    group: str, function: str, options: Mapping[str, Any], cache: Path
) -> dict[str, Any]:
    """Return a function's options as an identity has them: contents for paths, nothing of speed.

    Args:
        group: the function's group.
        function: its name; the module says which options are paths (PATH_OPTIONS) and
            which only where and how fast (RUNTIME_OPTIONS).
        options: as configured, paths resolved.
        cache: a file that remembers hashes of large files.
    """
    kept = {
        name: value
        for name, value in options.items()
        if name not in module_constant(group, function, "RUNTIME_OPTIONS")
    }
    known = _Remembered(cache)
    for name in path_options(group, function, kept):
        path = Path(kept[name])
        if path.is_dir():
            kept[name] = _directory_hash(path, known)
        elif path.is_file():
            kept[name] = known.sha256(path)
    known.save()
    return kept


def _or_fetch(how: str, source: SourceConfig | None) -> str:
    """Return what to do about an absent input, with the command that brings it where one can."""
    is_known = source is not None and (source.repository is not None or source.url is not None)
    return f"{how.rstrip('.')}; or {FETCH}" if is_known else how


def where_from(name: str, benchmark: BenchmarkConfig) -> str:
    """Return where a benchmark comes from and how a copy of it is named."""
    own = f"{benchmark.where_from.rstrip('. ')}. " if benchmark.where_from else ""
    return f"{own}Name your copy with eval.benchmarks.{name}.path=<path>."


def hashes(config: CellConfig, cache: Path, planning: bool = False) -> dict[str, str]:
    """Return the content hash of every training input, by its path in `config`.

    Args:
        config: with paths already resolved.
        cache: a file that remembers hashes of large files by path, size and time.
        planning: whether a file may be absent; its name then stands for its content.
    """
    known = _Remembered(cache)
    found = {config.model.path: base_hash(config, known)}
    paths = list(config.data.files)
    for collection in config.data.collections.values():
        paths += collection.files
    for path in paths:
        is_absent = planning and not Path(path).is_file()
        found[path] = f"absent:{path}" if is_absent else known.sha256(Path(path))
    known.save()
    return found


def base_hash(config: CellConfig, known: _Remembered) -> str:
    """Return what stands for the base: the hash of its files, repository and commit, or its name.

    A branch is no part of a name, because it moves: a base whose commit nobody here knows, which
    can only be planned, has none.
    """
    if is_api(config.model):
        # Where the server is reached is no part of what it answers.
        options = config.model.options
        said = {name: options.get(name, usual) for name, usual in API_IDENTITY.items()}
        return f"api:{text_sha256(canonical_json(said))}"
    directory = Path(config.model.path)
    if not directory.is_dir():
        revision = config.model.revision
        commit = revision if is_commit(revision) else "unknown"
        return f"hub:{config.model.path}@{commit}"
    return _directory_hash(directory, known)


def _directory_hash(directory: Path, known: _Remembered) -> str:
    files = sorted({file for pattern in BASE_FILES for file in directory.glob(pattern)})
    return text_sha256(canonical_json([[file.name, known.sha256(file)] for file in files]))


_small: dict[str, str] = {}


class _Remembered:
    """Hashes of large files, kept between runs: a 13 GB base is read once, not at each start."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.changed = False
        try:
            self.entries: dict[str, str] = json.loads(cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.entries = {}

    def sha256(self, file: Path) -> str:
        status = file.stat()
        key = f"{file.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        if status.st_size < REMEMBER_FROM_BYTES:
            # Within one process alone: hundreds of cells share a few files.
            if key not in _small:
                _small[key] = file_sha256(file)
            return _small[key]
        if key not in self.entries:
            self.entries[key] = file_sha256(file)
            self.changed = True
        return self.entries[key]

    def save(self) -> None:
        if not self.changed:
            return
        # A cache that cannot be written costs time, not correctness.
        try:
            self.cache.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.cache.with_name(f"{self.cache.name}.{os.getpid()}.tmp")
            temporary.write_text(json.dumps(self.entries, indent=1), encoding="utf-8")
            os.replace(temporary, self.cache)
        except OSError:
            return


def locate(model: ModelConfig, root: Path) -> str:
    """Return the directory of a base, or its repository id on the hub.

    Args:
        model: `path` is an absolute directory, one relative to `root`, or a repository id.
        root: what a relative directory is relative to.

    Raises:
        ConfigError: neither a directory nor of the form `owner/name`, or a revision is given for
            a directory.

    """
    directory = root / model.path
    if directory.is_dir():
        if model.revision is not None:
            raise ConfigError(
                f"model.revision is {model.revision!r}, but model.path {model.path!r} is a "
                "directory, which has no revisions; set model.revision to null"
            )
        return str(directory)
    if is_repository_id(model.path):
        return model.path
    raise ConfigError(
        f"model.path {model.path!r}: there is no directory {str(directory)!r}, and it is not a "
        "repository id of the form 'owner/name'; correct the path, or download the base"
    )
