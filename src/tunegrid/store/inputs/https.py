"""One file over https: streamed, continued after an interruption, checked, then given its name.

Owns: `<file>.part` beside the final name and what is known of it. A file has its final name only
when all of it arrived and its hash, where one is known, is right.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import tenacity
from tqdm import tqdm

from tunegrid.config.errors import DataError
from tunegrid.store.inputs.sources import LOCAL_HOSTS, OutOfReach
from tunegrid.store.json_files import disk_errors
from tunegrid.store.lock import Lock

ATTEMPTS = 5
"""Without a new byte between them; a connection that breaks but gets on is never given up."""
LONGEST_WAIT_SECONDS = 30.0
TIMEOUT = httpx.Timeout(60.0, connect=20.0)
AGAIN = (408, 425, 429, 500, 502, 503, 504)


class _Again(Exception):
    """A transfer that broke off and can be continued."""


@dataclass(frozen=True)
class _Asked:
    address: str
    headers: Mapping[str, str]
    is_checked: bool
    """Whether a hash will say if two halves belong together."""


def bring(
    address: str,
    path: Path,
    *,
    headers: Mapping[str, str] | None = None,
    is_right: Callable[[Path], bool] | None = None,
    first_wait_seconds: float = 1.0,
) -> None:
    """Download a file to `path`, going on where an earlier call was interrupted.

    Args:
        address: https, or http on this machine.
        path: the final name; its folders are made.
        headers: sent to the address, and not to where it sends on to.
        is_right: whether a whole file has the hash that it must have; None accepts it as it is.
        first_wait_seconds: before the second attempt; doubled for each further one.

    Raises:
        DataError: the server refuses, sends a web page, or the hash is another one.
        StoreError: the disk refuses; the lock is held by another fetch.
    """
    part = path.with_name(f"{path.name}.part")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with Lock(path.with_name(f".{path.name}.lock"), has_lines=False) as lock:
        continued = part.exists()
        asked = _Asked(address, dict(headers or {}), is_checked=is_right is not None)
        _complete(asked, part, first_wait_seconds)
        if not _is_right(part, is_right) and continued:
            # What an earlier call left may belong to another version of the file.
            _complete(asked, part, first_wait_seconds)
        if not _is_right(part, is_right):
            raise DataError(
                f"{address} arrived with another hash than is stated; nothing was kept. The file "
                "there has changed, or was damaged on the way: try again, or correct `source`"
            )
        lock.require()
        with disk_errors(path):
            os.replace(part, path)
            _mark(part).unlink(missing_ok=True)


def size_of(address: str) -> int | None:
    """Return the size that a server states, or None when it states none.

    Raises:
        OutOfReach: the server does not answer.
        DataError: it refuses.
    """
    try:
        with httpx.Client(follow_redirects=True, timeout=TIMEOUT) as client:
            response = client.head(address, headers={"Accept-Encoding": "identity"})
    except httpx.HTTPError as error:
        raise OutOfReach(f"{address} cannot be reached: {_said(error)}") from error
    if response.status_code in (405, 501):
        return None
    _refuse(response, address)
    stated = response.headers.get("Content-Length", "")
    return int(stated) if stated.isdigit() else None


def _is_right(part: Path, is_right: Callable[[Path], bool] | None) -> bool:
    """Return whether the file that arrived is the one; another one is removed."""
    if part.exists() and (is_right is None or is_right(part)):
        return True
    _forget(part)
    return False


def _complete(asked: _Asked, part: Path, first_wait: float) -> None:
    """Download until the file is whole, continuing after each break."""
    attempts = _Attempts(part)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_Again),
        stop=attempts.are_spent,
        wait=tenacity.wait_exponential(first_wait, LONGEST_WAIT_SECONDS),
        reraise=True,
    )
    try:
        with httpx.Client(follow_redirects=True, timeout=TIMEOUT) as client:
            retrying(_stream, client, asked, part)
    except _Again as error:
        kept = part.stat().st_size if part.exists() else 0
        raise DataError(
            f"{asked.address} broke off {ATTEMPTS} times without a new byte ({error}); {kept:,} "
            f"bytes are kept in {part}: the same command goes on from there"
        ) from error


class _Attempts:
    """Counts attempts that brought nothing new."""

    def __init__(self, part: Path) -> None:
        self.part = part
        self.size = self._now()
        self.idle = 0

    def _now(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def are_spent(self, state: Any) -> bool:
        """Return whether to give up; called after each failed attempt."""
        size = self._now()
        self.idle = self.idle + 1 if size <= self.size else 0
        self.size = size
        return self.idle >= ATTEMPTS


def _stream(client: httpx.Client, asked: _Asked, part: Path) -> None:
    """Download what is missing of a file.

    Raises:
        _Again: the connection broke, or the server is busy.
    """
    begun = part.stat().st_size if part.exists() else 0
    headers = {**asked.headers, "Accept-Encoding": "identity"}
    version = _mark(part).read_text(encoding="utf-8") if _mark(part).exists() else ""
    if begun and (version or asked.is_checked):
        # The server sends the whole file where it is no longer the one that was begun.
        headers |= {"Range": f"bytes={begun}-"} | ({"If-Range": version} if version else {})
    try:
        with client.stream("GET", asked.address, headers=headers) as response:
            if response.status_code in AGAIN:
                raise _Again(f"status {response.status_code}")
            if response.status_code == 416:
                # Nothing is missing, or the file is shorter now: the whole of it decides.
                _forget(part)
                raise _Again("the server has no such part of the file")
            _refuse(response, asked.address)
            _receive(response, part, begun if response.status_code == 206 else 0)
    except httpx.TransportError as error:
        raise _Again(_said(error)) from error


def _receive(response: httpx.Response, part: Path, begun: int) -> None:
    if begun == 0:
        _forget(part)
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        if version and not version.startswith("W/"):
            with disk_errors(part):
                _mark(part).write_text(version, encoding="utf-8")
    stated = response.headers.get("Content-Length", "")
    total = begun + int(stated) if stated.isdigit() else None
    # `disable=None` shows the bar in a terminal alone.
    with (
        part.open("ab") as file,
        tqdm(total=total, initial=begun, unit="B", unit_scale=True, disable=None,
             desc=part.name.removesuffix(".part")[-40:], leave=False) as bar,
    ):  # fmt: skip
        # As they come: of blocks of a fixed size the last, incomplete one is lost in a break.
        for block in response.iter_raw():
            with disk_errors(part):
                file.write(block)
            bar.update(len(block))
        with disk_errors(part):
            file.flush()
            os.fsync(file.fileno())
    if total is not None and part.stat().st_size != total:
        raise _Again(f"{part.stat().st_size:,} of {total:,} bytes arrived")


def _refuse(response: httpx.Response, address: str) -> None:
    """Raise DataError for an answer that is not the file."""
    status = response.status_code
    if response.url.scheme != "https" and response.url.host not in LOCAL_HOSTS:
        raise DataError(f"{address}: the server sends on to {response.url}, which is not https")
    if status in (401, 403):
        raise DataError(
            f"{address}: no access (status {status}). For the model hub set the environment "
            "variable HF_TOKEN; from elsewhere bring the file by hand"
        )
    if status in (404, 410):
        raise DataError(f"{address}: there is no such file; correct `source`")
    if status >= 400:
        raise DataError(f"{address}: the server answers with status {status}")
    if response.headers.get("Content-Encoding", "identity") not in ("", "identity"):
        raise DataError(f"{address}: the server compresses what was asked for as it is")
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    if is_page and not address.endswith((".html", ".htm")):
        raise DataError(
            f"{address}: the server sends a web page, which may ask to log in or to confirm; "
            "bring the file by hand"
        )


def _forget(part: Path) -> None:
    with disk_errors(part):
        part.unlink(missing_ok=True)
        _mark(part).unlink(missing_ok=True)


def _mark(part: Path) -> Path:
    """Return where the version of the file that was begun is kept."""
    return part.with_name(f"{part.name}.version")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
