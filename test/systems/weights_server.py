"""A server on this machine that plays hub, CDN, plain files, git and Google Drive, for tests."""

from __future__ import annotations

import hashlib
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from depth_perception.systems import FetchError, fetch

REVISION = "a" * 40
NAME, REPO, FILE = "depth-anything-v2-small", "authors/model", "net.pth"
CONTENT = bytes(range(256)) * 400  # 102 400 bytes
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[::-1]
HUB = {"hub_repo": REPO, "hub_file": FILE, "revision": REVISION}
NOWHERE = {"hub_repo": None, "hub_file": "", "revision": "", "size_bytes": None, "sha256": ""}
Known = Callable[..., None]
CONFIRMATION = (
    '<html><form id="download-form" action="{base}/drive/download" method="get">'
    '<input type="hidden" name="id" value="{id}">'
    '<input type="hidden" name="confirm" value="t"></form></html>'
)


@dataclass
class Server:
    """What the server holds and does; all of it can be changed at any time.

    Attributes:
        files: contents by path; those of the hub by REPO/FILE, those of Drive by id.
        revision: commit that the hub states for whatever is asked.
        stated_sha256: that the hub states; None: of the content.
        cut_after: bytes after which each answer ends early, as long as there are ``cuts`` left.
        ranges: whether parts of files can be asked for.
        gate: answers of files wait for it, after ``cut_after`` bytes.
        quota: Drive refuses with this text.
        answers: ``(status, headers)`` with which the next requests for a file are answered instead.
        framing: how answers state their end: ``length``, ``chunked``, or ``none``, by closing.
        requests: ``(path, Range header)`` of each request for a file's bytes.
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    revision: str = REVISION
    stated_sha256: str | None = None
    cut_after: int = 0
    cuts: int = 0
    ranges: bool = True
    gate: threading.Event | None = None
    quota: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    framing: str = "length"
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Server]:
    """A running server."""
    state = Server()

    class Handler(_Handler):
        server_state = state

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.base = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_state: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        state, parts = self.server_state, urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if "/resolve/" in path:
            self._hub(path)
        elif path == "/uc":
            page = CONFIRMATION.format(base=state.base, id=query["id"][0])
            if state.quota:
                page = f'<p class="uc-error-subcaption">{state.quota}</p>'
            self._whole(page.encode(), "text/html; charset=utf-8")
        elif path == "/drive/download" and query.get("confirm") == ["t"]:
            self._file(query["id"][0])
        elif path.startswith("/moved/"):
            self._nothing(308, {"Location": path.removeprefix("/moved")})
        elif path.removeprefix("/cdn/") in state.files:
            self._file(path.removeprefix("/cdn/"))
        elif path.lstrip("/") in state.files:
            self._file(path.lstrip("/"))
        else:
            self.send_error(404)

    def _hub(self, path: str) -> None:
        """The redirection of the hub, with what it states about the file."""
        state = self.server_state
        repo, _, rest = path.strip("/").partition("/resolve/")
        key = f"{repo}/{rest.partition('/')[2]}"
        if key not in state.files:
            self.send_error(404)
            return
        self.send_response(302)
        self.send_header("Location", f"/cdn/{key}")
        self.send_header("X-Repo-Commit", state.revision)
        stated = state.stated_sha256
        if stated is None:
            stated = hashlib.sha256(state.files[key]).hexdigest()
        if stated:
            self.send_header("X-Linked-ETag", f'"{stated}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _nothing(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _whole(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _file(self, key: str) -> None:
        state, content = self.server_state, self.server_state.files[key]
        wanted = self.headers.get("Range")
        state.requests.append((key, wanted))
        if state.answers:
            self._nothing(*state.answers.pop(0))
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.send_header("Content-Type", "application/octet-stream")
        if state.framing == "length":
            self.send_header("Content-Length", str(len(content) - start))
        elif state.framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.close_connection = True
        self.end_headers()
        part = content[start:]
        if state.framing == "chunked":
            part = b"%x\r\n%b\r\n0\r\n\r\n" % (len(part), part)
        if state.gate is not None:
            self.wfile.write(part[: state.cut_after])
            part = part[state.cut_after :]
            state.gate.wait(20)
        if state.cuts:
            state.cuts -= 1
            part = part[: state.cut_after]
            self.close_connection = True
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may become larger; the next byte is answered as by a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Marker:
    """Pickled, an order to create a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("marker", "w")


def left(folder: Path) -> list[str]:
    """Everything in a folder of weights but the notes, in any depth."""
    paths = sorted(folder.rglob("*")) if folder.exists() else []
    return [str(path.relative_to(folder)) for path in paths if path.name != "fetched.json"]


def refused(tmp_path: Path, match: str, name: str = NAME, **options: bool) -> str:
    """The message of a fetch that must fail, and leave nothing behind."""
    with pytest.raises(FetchError, match=match) as caught:
        fetch(name, tmp_path, **options)
    assert left(tmp_path) == []
    return str(caught.value)
