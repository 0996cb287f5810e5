"""What is here of a sweep's inputs, what is not, how large it is, and whether it fits.

Owns: the list that is shown before anything is brought, and the room on the disks.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, DataError, StoreError
from tunegrid.config.fingerprint import file_sha256
from tunegrid.store.inputs import https, hub, hub_cache
from tunegrid.store.inputs.hub_cache import Repository
from tunegrid.store.inputs.sources import BASE, File, Input, OutOfReach

HERE, MISSING, BY_HAND, REFUSED = "here", "missing", "by hand", "refused"
ASKED_AT_ONCE = 8


@dataclass(frozen=True)
class Listed:
    """One input and how it stands."""

    input: Input
    state: str
    """`here`, `missing`, `by hand` (no source), `left out`, or `refused` by its server."""
    size_bytes: int | None = None
    """Of the whole input."""
    to_bring_bytes: int | None = None
    is_stated: bool = False
    """Whether the size is what the settings say, because no server was asked or answered."""
    note: str | None = None
    repository: Repository | None = None

    @property
    def place(self) -> str:
        """Where it lies or will lie."""
        if self.input.kind == BASE and self.input.repository is not None:
            return "cache of the hub"
        paths = [file.path for file in self.input.files]
        if len(paths) == 1 and self.input.origin == "–":
            return str(paths[0])
        return os.path.commonpath([path.parent for path in paths]) + os.sep


def listed(inputs: Sequence[Input], *, ask_servers: bool = True) -> list[Listed]:
    """Return how each input stands, in order.

    Args:
        inputs: see `inputs_of`.
        ask_servers: whether sizes are asked for; without it nothing leaves this machine.
    """
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        return list(threads.map(lambda one: _listed(one, ask_servers=ask_servers), inputs))


def _listed(one: Input, *, ask_servers: bool) -> Listed:
    if one.repository is None and one.url is None:
        return _local(one)
    try:
        return _base(one, ask_servers) if one.kind == BASE else _files(one, ask_servers)
    except OutOfReach as error:
        return _stated(one, MISSING, str(error))
    except (DataError, StoreError) as error:
        return Listed(one, REFUSED, one.stated_bytes, None, is_stated=True, note=str(error))


def _local(one: Input) -> Listed:
    if all(file.path.exists() for file in one.files):
        return Listed(one, HERE, sum(map(_size, (f.path for f in one.files))), 0)
    return Listed(one, BY_HAND, one.stated_bytes, 0, is_stated=True, note=one.by_hand)


def _base(one: Input, ask_servers: bool) -> Listed:
    if not ask_servers:
        state = HERE if hub_cache.is_cached(one, None) else MISSING
        return _stated(one, state)
    try:
        repository = hub.base_repository(one)
    except DataError:
        # What is whole in the cache is good whatever the hub says of it now.
        if hub_cache.is_cached(one, None):
            return _stated(one, HERE)
        raise
    if hub_cache.is_cached(one, repository):
        return Listed(one, HERE, repository.size_bytes, 0, repository=repository)
    rest = hub_cache.bytes_to_bring(one, repository)
    return Listed(one, MISSING, repository.size_bytes, rest, repository=repository)


def _files(one: Input, ask_servers: bool) -> Listed:
    absent = [file for file in one.files if not file.path.exists()]
    _refuse_other_contents(one)
    if not absent:
        return Listed(one, HERE, sum(_size(file.path) for file in one.files), 0)
    if not ask_servers:
        return _stated(one, MISSING)
    repository = None
    if one.repository is not None:
        repository = hub.dataset_files(one)
        sizes = {file.name: file.size_bytes for file in repository.files}
    else:
        sizes = {file.name: https.size_of(one.address(file)) for file in absent}
    remaining = [_rest(file, sizes[file.name]) for file in absent]
    if None in remaining:
        return _stated(one, MISSING)
    here = sum(_size(file.path) for file in one.files if file not in absent)
    whole = here + sum(sizes[file.name] or 0 for file in absent)
    rest = sum(size or 0 for size in remaining)
    return Listed(one, MISSING, whole, rest, repository=repository)


def _stated(one: Input, state: str, note: str | None = None) -> Listed:
    rest = 0 if state == HERE else one.stated_bytes
    return Listed(one, state, one.stated_bytes, rest, is_stated=True, note=note)


def _refuse_other_contents(one: Input) -> None:
    """Refuse a file that is here and is not the one that is stated: a cell would train on it."""
    for file in one.files:
        if file.sha256 is None or not file.path.is_file():
            continue
        found = file_sha256(file.path)
        if found != file.sha256.lower():
            raise DataError(
                f"{file.path} has sha256 {found}, and {file.sha256} is stated; move it away and "
                "fetch again, or correct `source.sha256`"
            )


def _rest(file: File, size: int | None) -> int | None:
    part = file.path.with_name(f"{file.path.name}.part")
    return None if size is None else max(0, size - (_size(part) if part.exists() else 0))


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size


@dataclass(frozen=True)
class Room:
    """One file system that something is brought to."""

    place: Path
    needed_bytes: int
    free_bytes: int


def room(found: Sequence[Listed], project: Path) -> list[Room]:
    """Return what is needed and free on each file system that something is brought to."""
    needed: dict[int, tuple[Path, int]] = {}
    for one in found:
        if one.state != MISSING or not one.to_bring_bytes:
            continue
        is_base = one.input.kind == BASE
        place = _existing(hub_cache.cache() if is_base else one.input.files[0].path, project)
        device = place.stat().st_dev
        before = needed.get(device, (place, 0))
        needed[device] = (before[0], before[1] + one.to_bring_bytes)
    return [Room(place, size, shutil.disk_usage(place).free) for place, size in needed.values()]


def _existing(path: Path, project: Path) -> Path:
    """Return the nearest directory above a path that is there."""
    for place in (path, *path.parents):
        if place.is_dir():
            return place
    return project


def refuse_overflow(rooms: Sequence[Room]) -> None:
    """Refuse what does not fit.

    Raises:
        ConfigError: a file system has less free than is needed.
    """
    for one in rooms:
        if one.needed_bytes > one.free_bytes:
            raise ConfigError(
                f"{size_text(one.needed_bytes)} are to be brought and {size_text(one.free_bytes)} "
                f"are free at {one.place}; nothing was brought. Free space, set HF_HOME (bases) "
                "or make inputs/ a link to a larger disk, or narrow the choice with --only"
            )


def print_list(found: Sequence[Listed], rooms: Sequence[Room], project: Path) -> None:
    """Print the inputs as a table, then the total and the room on the disks."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("input", "from", "to"):
        table.add_column(column, overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    styles = {HERE: "green", MISSING: "cyan", REFUSED: "bold red", BY_HAND: "yellow"}
    kind = None
    for one in found:
        if one.input.kind != kind:
            kind = one.input.kind
            table.add_row(f"[bold]{kind}s[/]")
        size = "?" if one.size_bytes is None else size_text(one.size_bytes)
        place = one.place.removeprefix(f"{project}{os.sep}")
        table.add_row(
            *map(escape, (f"  {one.input.name}", one.input.origin, place)),
            f"~{size}" if one.is_stated and one.size_bytes is not None else size,
            f"[{styles.get(one.state, 'dim')}]{one.state}[/]",
        )
    console = Console(highlight=False)
    console.print(table)
    for note in _notes(found):
        console.print(note, markup=False)
    console.print(total(found), style="bold")
    for each in rooms:
        console.print(
            f"{size_text(each.needed_bytes)} of them to {each.place}, where "
            f"{size_text(each.free_bytes)} are free"
        )


def _notes(found: Sequence[Listed]) -> Iterator[str]:
    """Yield what is to be said, each once, with the inputs that it is said about."""
    names: dict[str, list[str]] = {}
    for one in found:
        if one.note is not None and one.state != MISSING:
            names.setdefault(one.note, []).append(one.input.name)
    yield from (f"{', '.join(named)}: {note}" for note, named in names.items())
    away = [one.note for one in found if one.note is not None and one.state == MISSING]
    if away:
        yield f"No server answered for {len(away)} of the inputs, for example: {away[0]}"


def total(found: Sequence[Listed]) -> str:
    """Return how many inputs are here and how much is to be brought, as words."""
    missing = [one for one in found if one.state == MISSING]
    sizes = [one.to_bring_bytes for one in missing]
    known = sum(size for size in sizes if size is not None)
    unknown = sizes.count(None)
    here = sum(one.state == HERE for one in found)
    text = f"{len(found)} inputs, {here} here, {len(missing)} to bring"
    if missing:
        text += f": {size_text(known)}" + (f" and {unknown} of unknown size" if unknown else "")
    if any(one.is_stated and one.state == MISSING for one in found):
        text += " (~: as stated in the settings, no server was asked or answered)"
    return text


def size_text(size: int) -> str:
    """Return a number of bytes as people read it, in powers of ten as disks are sold."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def rows(found: Sequence[Listed]) -> list[dict[str, Any]]:
    """Return one row an input, for `--json`."""
    return [
        {
            "input": one.input.name,
            "kind": one.input.kind,
            "from": one.input.origin,
            "to": one.place,
            "files": json.loads(json.dumps([asdict(f) for f in one.input.files], default=str)),
            "size_bytes": one.size_bytes,
            "to_bring_bytes": one.to_bring_bytes,
            "stated": one.is_stated,
            "state": one.state,
            "note": one.note,
        }
        for one in found
    ]
