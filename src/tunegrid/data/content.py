"""What a file is by its first bytes: text, Parquet, or something that must not be read as data.

Owns: opening files and decompressing them, recognising what is no data, guessing encodings. Knows
nothing of records. The name of a file decides nothing but one thing: a compressed file must say
so in its name, because everything else on the machine goes by it.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tunegrid.config.errors import DataError

HEAD_BYTES = 4096
SAMPLE_BYTES = 1 << 20
"""Looked at to guess an encoding."""

_COMPRESSED = {b"\x1f\x8b": ("gzip", (".gz",)), b"\x28\xb5\x2f\xfd": ("zstd", (".zst", ".zstd"))}
_ARCHIVES = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z"}
_WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_PARQUET = b"PAR1"
_CHINESE_SHARE = 0.8
"""Of the characters beyond ASCII in a sample that must be Chinese for it to pass as GB18030, which
gives some meaning to almost any bytes."""


class Stream:
    """The bytes of a file, decompressed; what cannot be read is refused with the file's name."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, and none only at the end.

        Raises:
            DataError: the disk fails, or compressed data is damaged or cut off.
        """
        try:
            return bytes(self._file.read(size))
        except (EOFError, zlib.error) as error:
            raise DataError(_damaged(self._path, str(error))) from error
        except OSError as error:
            if error.strerror is None:
                raise DataError(_damaged(self._path, str(error))) from error
            raise DataError(f"{self._path}: cannot be read ({error.strerror})") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class Content:
    """An opened file: its bytes from the beginning on, and what they are."""

    stream: Stream
    head: bytes
    """The first bytes, which `stream` gives too."""
    compression: str
    """`gzip`, `zstd` or ""."""

    @property
    def is_parquet(self) -> bool:
        """Whether the bytes are a Parquet file."""
        return self.head.startswith(_PARQUET)


def opened(path: Path) -> Content:
    """Return a file's content, decompressed.

    Raises:
        DataError: there is no such file, or its bytes are no data: a Git LFS pointer, a web page,
            an archive, UTF-16, nothing but NUL bytes, or compressed under a name that hides it.
    """
    file = _file(path)
    head = _head(path, file)
    for magic, (compression, endings) in _COMPRESSED.items():
        if head.startswith(magic):
            if path.suffix not in endings:
                file.close()
                raise DataError(
                    f"{path}: its bytes are {compression}, which its name does not say. Rename it "
                    f"to {path.name}{endings[0]}, or decompress it: "
                    f"{'gunzip' if compression == 'gzip' else 'zstd -d'} < {path.name}"
                )
            stream = Stream(path, _decompressing(compression)(file))
            return _checked(path, stream, compression)
        if path.suffix in endings:
            file.close()
            raise DataError(
                f"{path}: its name says {compression}, its bytes do not (they begin with "
                f"{head[:8].hex(' ') or 'nothing'}). Fetch it again, or rename it without "
                f"{path.suffix}"
            )
    return _checked(path, Stream(path, file), "")


def looks_like_gb18030(sample: bytes) -> bool:
    """Return whether bytes that are not UTF-8 are Chinese text in GB18030 (or GBK, GB2312)."""
    try:
        text = codecs.getincrementaldecoder("gb18030")().decode(sample)
    except UnicodeDecodeError:
        return False
    beyond = [character for character in text if ord(character) > 127]
    chinese = sum(_is_chinese(character) for character in beyond)
    return bool(beyond) and chinese >= _CHINESE_SHARE * len(beyond)


def encoding_of(path: Path) -> str:
    """Return `utf-8-sig` or `gb18030`, by the beginning of the file; the former where in doubt."""
    content = opened(path)
    sample = content.stream.read(SAMPLE_BYTES)
    content.stream.close()
    try:
        codecs.getincrementaldecoder("utf-8-sig")().decode(sample)
    except UnicodeDecodeError:
        return "gb18030" if looks_like_gb18030(sample) else "utf-8-sig"
    return "utf-8-sig"


def not_utf8(path: Path, line: int, error: UnicodeDecodeError) -> DataError:
    """Return the refusal of a text that is not UTF-8, with what it probably is."""
    found = error.object[error.start : error.start + 8].hex(" ")
    is_chinese = encoding_of(path) == "gb18030"
    what = "; by its bytes it is Chinese text in GB18030" if is_chinese else ""
    source = "GB18030" if is_chinese else "<its encoding, such as GB18030>"
    return DataError(
        f"{path}, line {line}: not UTF-8 (bytes {found}, {error.reason}){what}. Accepted is "
        f"UTF-8; convert the file: iconv -f {source} -t UTF-8 {path.name}"
    )


def _file(path: Path) -> IO[bytes]:
    if path.is_dir():
        raise DataError(f"{path} is a directory; name the JSON file in it")
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        if path.is_symlink():
            raise DataError(
                f"{path} is a link to {path.readlink()}, where nothing lies; put the file there "
                "or mend the link"
            ) from error
        raise DataError(f"{path}: there is no such file; check the path") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _head(path: Path, file: IO[bytes]) -> bytes:
    """Return the first bytes of a file, which is back at its beginning then."""
    try:
        head = file.read(HEAD_BYTES)
        file.seek(0)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return head


def _decompressing(compression: str) -> Callable[[IO[bytes]], Any]:
    if compression == "gzip":
        return lambda file: gzip.GzipFile(fileobj=file)
    import pyarrow

    return lambda file: pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd")


def _checked(path: Path, stream: Stream, compression: str) -> Content:
    """Return the content, or refuse what is no data."""
    head = stream.read(HEAD_BYTES)
    problem = _no_data(path, head)
    if problem is not None:
        stream.close()
        raise DataError(problem)
    return Content(Stream(path, _Behind(head, stream)), head, compression)


class _Behind:
    """Bytes that were read already, and the stream they come from."""

    def __init__(self, head: bytes, stream: Stream) -> None:
        self._head = io.BytesIO(head)
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._head.read(size) or self._stream.read(size)

    def close(self) -> None:
        self._stream.close()


def _no_data(path: Path, head: bytes) -> str | None:
    """Return why bytes cannot be the beginning of a data file; None when they can."""
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        size = head.partition(b"size ")[2].split(b"\n")[0].decode("ascii", "replace")
        return (
            f"{path}: a pointer of Git LFS, not the data (which has {size or '?'} bytes). Get the "
            "file itself: git lfs pull in its repository, or the download link of its page"
        )
    begin = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if begin.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return (
            f"{path}: a web page, not data; a server answered with it where the file was "
            "expected. Fetch the file again, from the link to the raw file"
        )
    for mark, name in _WIDE_MARKS.items():
        if head.startswith(mark):
            return _wide(path, name, f"it begins with the byte-order mark {mark.hex(' ')}")
    if len(head) >= 4 and not head.strip(b"\0"):
        return (
            f"{path}: nothing but NUL bytes at its beginning; it was reserved on the disk and "
            "never written. Fetch it again"
        )
    if len(head) >= 4 and 0 in head[:2] and head[0] != head[1]:
        return _wide(path, "UTF-16", "every other byte is zero")
    for magic, name in _ARCHIVES.items():
        if head.startswith(magic):
            return f"{path}: its bytes are {name}. Unpack it and name the file that was in it"
    return None


def _wide(path: Path, name: str, why: str) -> str:
    return (
        f"{path}: not UTF-8 but {name} ({why}). Accepted is UTF-8; convert the file: "
        f"iconv -f {name} -t UTF-8 {path.name}"
    )


def _damaged(path: Path, what: str) -> str:
    return f"{path}: its compressed data is damaged or cut off ({what}). Fetch it again"


def _is_chinese(character: str) -> bool:
    return "\u3000" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef"
