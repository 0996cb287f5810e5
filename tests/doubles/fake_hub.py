"""A model hub and a file server on this machine, for tests of fetching.

Serves what huggingface_hub asks: what a repository holds, its tree, its paths, and its files with
ranges. A file can break off, be refused or be damaged on the way.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "a" * 40
LARGE_BYTES = 1000
"""From here on a file counts as large: the hub knows its sha256, else git's hash."""


def git_sha1(content: bytes) -> str:
    whole = f"blob {len(content)}\0".encode() + content
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class FakeHub:
    """What is served, and what was asked."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files by name, by `models/owner/name` or `datasets/owner/name`."""
    plain: dict[str, bytes] = field(default_factory=dict)
    """Files by address path."""
    gated: set[str] = field(default_factory=set)
    status: dict[str, int] = field(default_factory=dict)
    """Answers by file name instead of the file."""
    breaks: dict[str, list[int]] = field(default_factory=dict)
    """By file name: after how many bytes each of the next answers breaks off."""
    damaged: dict[str, bytes] = field(default_factory=dict)
    """By file name: what is sent instead of what is stated."""
    pages: set[str] = field(default_factory=set)
    """File names that are answered with a web page."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and range of each request."""
    url: str = ""

    def ranges(self, name: str) -> list[str | None]:
        """The ranges in which a file was asked for."""
        return [r for method, path, r in self.asked if method == "GET" and path.endswith(name)]


def description(name: str, content: bytes) -> dict[str, Any]:
    large = len(content) >= LARGE_BYTES
    lfs = {"oid": sha256(content), "sha256": sha256(content), "size": len(content)}
    return {"type": "file", "path": name, "rfilename": name, "size": len(content),
            "oid": git_sha1(content), "blobId": git_sha1(content),
            **({"lfs": {**lfs, "pointerSize": 100}} if large else {})}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.answer(parse_qs(body).get("paths", []))

    def answer(self, paths: list[str] | None = None) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range")))
        api = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(\w[\w-]*)/(.+))?", path)
        resolve = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
        if api:
            self.describe(f"{api[1]}/{api[2]}", api[3] or "", paths)
        elif resolve:
            repository = f"{'datasets' if resolve[1] else 'models'}/{resolve[2]}"
            files = self.hub.repositories.get(repository, {})
            self.send_file(resolve[3], files.get(resolve[3]), repository)
        else:
            self.send_file(path.rpartition("/")[2], self.hub.plain.get(path), None)

    def describe(self, repository: str, what: str, paths: list[str] | None) -> None:
        files = self.hub.repositories.get(repository)
        if repository in self.hub.gated:
            return self.send_json({"error": "gated"}, 401, {"X-Error-Code": "GatedRepo"})
        if files is None:
            return self.send_json({"error": "no"}, 404, {"X-Error-Code": "RepoNotFound"})
        described = [description(name, content) for name, content in files.items()]
        if what == "tree":
            return self.send_json(described)
        if what == "paths-info":
            return self.send_json([one for one in described if one["path"] in (paths or [])])
        name = repository.partition("/")[2]
        return self.send_json({"id": name, "sha": COMMIT, "siblings": described})

    def send_json(self, value: Any, status: int = 200, more: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.begin(status, {"Content-Type": "application/json", **(more or {})}, len(content))
        self.wfile.write(content if self.command != "HEAD" else b"")

    def send_file(self, name: str, content: bytes | None, repository: str | None) -> None:
        refusal = self.hub.status.get(name, 404 if content is None else 0)
        if refusal or content is None:
            return self.begin(refusal, {"X-Error-Code": "EntryNotFound"}, 0)
        stated = description(name, content)
        tag = stated["lfs"]["sha256"] if "lfs" in stated else stated["oid"]
        kind = "text/html" if name in self.hub.pages else "application/octet-stream"
        headers = {"ETag": f'"{tag}"', "Content-Type": kind, "Accept-Ranges": "bytes"}
        if repository is not None:
            headers["X-Repo-Commit"] = COMMIT
        content = self.hub.damaged.get(name, content)
        first = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status = 200
        if first and self.headers.get("If-Range", headers["ETag"]) == headers["ETag"]:
            status, begin = 206, int(first[1])
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            content = content[begin:]
        self.begin(status, headers, len(content))
        if self.command == "HEAD":
            return None
        cuts = self.hub.breaks.get(name, [])
        if cuts:
            self.wfile.write(content[: cuts.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return None
        self.wfile.write(content)
        return None

    def begin(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def serve(hub: FakeHub) -> ThreadingHTTPServer:
    """Start serving on a free port; shut the returned server down."""
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
