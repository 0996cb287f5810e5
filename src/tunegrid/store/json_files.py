"""JSON files that are whole or absent, and lines of JSON.

Owns: how text gets to the disk and back, and the errors of a disk.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from tunegrid.config.errors import StoreError

BLOCK_BYTES = 65_536
# "I/O error: No space left on device (os error 28)" of safetensors.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
# "[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0" of torch.save.
_CUT_SHORT = re.compile(r"PytorchStreamWriter|inline_container\.cc")
_NO_FSYNC_OF_DIRECTORIES = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF)


class Writer(Protocol):
    """One who holds the lock of a directory; see `tunegrid.store.lock`."""

    @property
    def staging(self) -> Path:
        """The directory out of which each file is renamed to its place."""

    def require(self) -> None:
        """Return only while the lock is held."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a failing disk into a StoreError that says which path and what to do."""
    try:
        yield
    except Exception as error:
        reason = _refusal(error)
        if reason is None:
            raise
        raise StoreError(
            f"cannot write {path}: {reason}. Earlier files are intact. "
            "Free space or fix the permissions, or choose another place with "
            "runtime.results=<directory>; then run the same command again."
        ) from error


def _refusal(error: Exception) -> str | None:
    """Return how the disk refused, or None where the error is another.

    torch and safetensors write in libraries of their own, whose errors are no OSError.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    said = _OS_ERROR.search(str(error))
    if said is not None:
        return os.strerror(int(said[1]))
    if _CUT_SHORT.search(str(error)):
        return "the disk took only a part of a file"
    return None


def json_line(record: Any) -> str:
    """Return a record as one line of JSON with its newline."""
    return json_text(record) + "\n"


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON that UTF-8 can hold.

    Texts are readable as they are; half of a surrogate pair, which models and servers do send,
    has no UTF-8, and then all that is not ASCII is escaped.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def to_disk(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk."""
    is_directory = path.is_dir()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems have no fsync of directories, and keep their entries without it.
        if not is_directory or error.errno not in _NO_FSYNC_OF_DIRECTORIES:
            raise
    finally:
        os.close(descriptor)


def tree_to_disk(directory: Path) -> None:
    """Wait until all files below a directory, and their names, are on the disk."""
    for path in sorted(directory.rglob("*")):
        to_disk(path)
    to_disk(directory)


def write_text(path: Path, text: str, writer: Writer | None = None) -> None:
    """Write a file so that it is whole or absent, and on the disk before this returns.

    Args:
        path: of the file.
        text: its content.
        writer: who holds the lock of the file's directory, where there is one.

    Raises:
        LockLost: the writer's lock is another's now; nothing was written.
        StoreError: the disk refuses.
    """
    # Without a lock several processes may write the same file at once.
    own = path.parent / f"{path.name}.{os.getpid()}.tmp"
    temporary = own if writer is None else writer.staging / f"{path.name}.tmp"
    with disk_errors(path):
        if writer is not None:
            writer.require()
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if writer is not None:
            writer.require()
        os.replace(temporary, path)
        to_disk(path.parent)


def append_line(path: Path, record: Any, writer: Writer | None = None) -> None:
    """Append a record to a file of lines, whose last line is repaired if a kill has cut it off.

    A last line without its newline stays where it is whole JSON, and gets its newline; any other
    was never finished and goes.

    Args:
        path: of the file; made if it is not there.
        record: any JSON value.
        writer: as in `write_text`.

    Raises:
        LockLost: the writer's lock is another's now; nothing was written.
        StoreError: the disk refuses.
    """
    with disk_errors(path):
        if writer is not None:
            # Opening makes the file.
            writer.require()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Appending, so that two descriptors never overwrite each other; readable for the repair.
        with path.open("a+b", buffering=0) as file:
            # After opening and before writing: see `tunegrid.store.fence`.
            if writer is not None:
                writer.require()
            lacking = _repaired_end(file)
            left = lacking + json_line(record).encode("utf-8")
            while left:
                left = left[os.write(file.fileno(), left) :]


def _repaired_end(file: IO[bytes]) -> bytes:
    """Cut off an unfinished last line; return the newline that a whole one lacks, if it does."""
    end = file.seek(0, os.SEEK_END)
    if end == 0 or os.pread(file.fileno(), 1, end - 1) == b"\n":
        return b""
    start, last = end, b""
    while start > 0 and b"\n" not in last:
        size = min(BLOCK_BYTES, start)
        start -= size
        last = os.pread(file.fileno(), size, start) + last
    last = last.rpartition(b"\n")[2]
    try:
        json.loads(last)
    except ValueError:
        file.truncate(end - len(last))
        return b""
    return b"\n"


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        StoreError: missing, unreadable or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot read {path}: {error}. Remove the file and run the cell's command again: "
            "its stage is repeated, the stages before it are kept."
        ) from error


def read_text(path: Path) -> str:
    """Return the text of a file of ours.

    Raises:
        StoreError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path}: {error}") from error


def read_json_lines(path: Path) -> Iterator[Any]:
    """Yield the records of a JSON lines file, leaving out a last line that was cut off.

    Raises:
        StoreError: a line before the last is no JSON.
    """
    if not path.exists():
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    # Not `splitlines`: answers may hold U+2028 and its kin, which JSON leaves as they are. Bytes,
    # because a line may be cut off inside of a character.
    *lines, last = content.split(b"\n")
    for number, line in enumerate([*lines, *filter(None, [last])], start=1):
        try:
            yield json.loads(line.decode("utf-8"))
        except ValueError as error:
            if number > len(lines):
                return
            shown = line[:80].decode("utf-8", errors="replace")
            raise StoreError(f"{path}, line {number} is no JSON: {shown!r}") from error
