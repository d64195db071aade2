"""Download of one file over HTTP: resumed after a cut, checked, never trusted."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from .. import __version__
from ..io.atomic import write_text
from .sources import FetchError, RemoteFile, is_plain_http

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0
_IDLE_TRIES = 4  # connections in a row that bring nothing before a download is given up
_WAIT_S = 1.0  # before the second of them, doubled for each further one
_BUSY = (408, 429)  # a server that asks to come again later
_LONGEST_WAIT_S = 60.0  # of what it may ask for
_PAGE_BYTES = 1 << 20  # of a page that asks for confirmation
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_USER_AGENT = f"depth-perception/{__version__}"

Say = Callable[[str], None]
Progress = Callable[[int, "int | None"], None]  # bytes that are here, and in all


class _CutError(Exception):
    """The connection ended before the file did."""


def download(
    remote: RemoteFile,
    path: Path,
    *,
    trust: bool = False,
    say: Say = lambda _: None,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Download a file to ``path``, continuing what an earlier call left there.

    What is there is continued only where the server still has the same file, by its validator
    (``ETag`` or ``Last-Modified``) and size, which are kept beside it as ``path.json``.

    Args:
        remote: address, and what is known about the file.
        path: the file; its folder must exist.
        trust: also take a file over plain http.
        say, progress: receive a remark on an interruption, and the number of bytes so far.

    Returns:
        ``sha256``, ``size_bytes`` and ``revision``, that of the hub or empty.

    Raises:
        FetchError: the file is another one than ``remote`` states (it is removed), no weights
            file at all (removed), has no room on the disk, or the server does not deliver it.
    """
    revision = _Transfer(remote, path, trust, progress).run(say)
    _state_path(path).unlink(missing_ok=True)
    try:
        sha256 = _check(remote, path)
    except FetchError:
        path.unlink()
        raise
    return {"sha256": sha256, "size_bytes": path.stat().st_size, "revision": revision}


def digests(path: Path) -> tuple[str, str]:
    """SHA-256 of a file, and the id of its content in git."""
    sha256, blob = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
    blob.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
            blob.update(chunk)
    return sha256.hexdigest(), blob.hexdigest()


def difference(remote: RemoteFile, path: Path) -> tuple[str, str]:
    """What contradicts a file's claim to be ``remote``, empty if nothing does, and its SHA-256."""
    size = path.stat().st_size
    sha256, blob = digests(path)
    if remote.size_bytes is not None and size != remote.size_bytes:
        return f"it has {size} bytes, not {remote.size_bytes}", sha256
    if remote.sha256 and sha256 != remote.sha256:
        return f"its SHA-256 is {sha256}, not {remote.sha256}", sha256
    if remote.git_blob and blob != remote.git_blob:
        return f"its id in git is {blob}, not {remote.git_blob}", sha256
    return "", sha256


def _check(remote: RemoteFile, path: Path) -> str:
    """The SHA-256 of a downloaded file; FetchError if it is another file, or no weights file."""
    differing, sha256 = difference(remote, path)
    if differing:
        raise FetchError(
            f"{remote.name} from {remote.url} is another file than the one known here: "
            f"{differing}. It was removed"
        )
    with path.open("rb") as file:
        head = file.read(64)
    if head.lstrip()[:1] == b"<":
        raise FetchError(f"{remote.url} delivers a web page, not {remote.name}: it was removed")
    wanted = {".safetensors": head[8:9] == b"{", ".npy": head[:6] == b"\x93NUMPY"}
    if not wanted.get(Path(remote.name).suffix, True):
        kind = "a pickle" if head[:1] == b"\x80" or head[:2] == b"PK" else "of another kind"
        raise FetchError(
            f"{remote.name} from {remote.url} is {kind}, not what its name says: it was removed"
        )
    return sha256


def _state_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Keeps the headers of all answers on the way, and refuses to leave https."""

    def __init__(self, trust: bool) -> None:
        self.trust = trust
        self.passed: list[Any] = []

    def redirect_request(self, request, file, code, text, headers, url):  # type: ignore[no-untyped-def]
        self.passed.append(headers)
        if is_plain_http(url) and not self.trust:
            raise FetchError(f"{request.full_url} leads to {url}, which is plain http")
        code = 307 if code == 308 else code  # which Python 3.10 rejects here too
        return super().redirect_request(request, file, code, text, headers, url)

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302  # Python 3.10 lacks it


class _Transfer:
    """The bytes of one file from its server into a file."""

    def __init__(self, remote: RemoteFile, path: Path, trust: bool, progress: Progress) -> None:
        self.remote, self.path, self.progress = remote, path, progress
        self.redirects = _Redirects(trust)
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())  # Google Drive sets some
        self.opener = urllib.request.build_opener(self.redirects, cookies)
        self.revision = ""

    def run(self, say: Say) -> str:
        """Download until the file is complete; returns the revision that the hub states."""
        idle, begun = 0, False
        while True:
            before, asked_s = self._size(), 0.0
            try:
                self._attempt()
                return self.revision
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code} {error.reason}"
                again = error.code >= 500 or error.code in _BUSY
                asked_s = _asked_wait_s(error.headers)
            except (_CutError, OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno in _NO_ROOM:
                    raise self._no_room(str(error)) from error
                reason = str(getattr(error, "reason", error)) or type(error).__name__
                again = begun or isinstance(error, _CutError) or self._size() > before
            begun = begun or again
            idle = 0 if self._size() > before else idle + 1
            if not again or idle >= _IDLE_TRIES:
                kept = f"; {self._size()} bytes are kept in {self.path}" if self._size() else ""
                raise FetchError(f"{self.remote.url} could not be downloaded ({reason}){kept}")
            wait_s = max(_WAIT_S * 2 ** max(idle - 1, 0) if idle else 0.0, asked_s)
            after = f" in {wait_s:.0f} s" if asked_s else ""
            say(f"interrupted after {self._size()} bytes ({reason}), continuing{after}")
            time.sleep(wait_s)

    def _discard(self) -> None:
        """Remove the file and what was noted of it: the next call begins anew."""
        for place in (self.path, _state_path(self.path)):
            place.unlink(missing_ok=True)

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _attempt(self) -> None:
        state = self._state()
        have = self._size() if state else 0
        if have and have == state["total"]:  # ended between download and check
            self.revision = state["revision"]
            return
        response = self._open(have)
        if response.status == 206:
            match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            new = self._state_of(response)
            same = match and int(match[1]) == have and all(new[key] == state[key] for key in new)
            if not same:  # another file, or not the part that was asked for
                response.close()
                self.path.unlink()
                have, response = 0, self._open(0)
        elif have:
            have = 0  # a server that cannot continue
        with closing(response):
            self._check_answer(response)
            new = self._state_of(response)
            total = new["total"]
            if total is not None:
                self._check_total(total, have)
            is_framed = bool(response.chunked)  # its end is told, so a cut raises an error
            noted = {**new, "revision": self.revision}
            write_text(_state_path(self.path), json.dumps(noted))
            with self.path.open("ab" if have else "wb") as file:
                while chunk := response.read1(_CHUNK_BYTES):  # what is there, without waiting
                    file.write(chunk)
                    file.flush()
                    have += len(chunk)
                    if have > (total or self.remote.most_bytes):
                        raise self._too_large(have)
                    self.progress(have, total)
        if total is None and not is_framed:
            total = self.remote.size_bytes
        if total is not None and have < total:
            raise _CutError(f"{have} of {total} bytes")
        if total is None and not is_framed and not self.remote.is_known:
            self._discard()
            raise FetchError(
                f"{self.remote.url} states neither the size of {self.remote.name} nor where it "
                f"ends, and no SHA-256 of it is known: whether the {have} bytes that came are all "
                "of it cannot be told, so they were removed"
            )

    def _open(self, have: int) -> Any:
        """The answer of the server, from byte ``have`` on if it can."""
        self.redirects.passed.clear()
        headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
        url = self.remote.url
        if self.remote.kind == "drive":
            url = self._confirmed(headers)
        if have:
            headers["Range"] = f"bytes={have}-"
        request = urllib.request.Request(url, headers=headers)
        try:
            return self.opener.open(request, timeout=_TIMEOUT_S)
        except urllib.error.HTTPError as error:
            if error.code != 416:
                raise
            self.path.unlink()  # there is more than the server has
            return self._open(0)

    def _confirmed(self, headers: dict[str, str]) -> str:
        """The address behind the page on which Google Drive asks for confirmation."""
        request = urllib.request.Request(self.remote.url, headers=headers)
        with closing(self.opener.open(request, timeout=_TIMEOUT_S)) as response:
            if not _is_page(response) or response.headers.get("Content-Disposition"):
                return self.remote.url
            page = response.read(_PAGE_BYTES).decode("utf-8", "replace")
        try:
            from gdown.download import get_url_from_gdrive_confirmation
            from gdown.exceptions import FileURLRetrievalError
        except ImportError as error:
            raise FetchError(
                "files on Google Drive need gdown: pip install 'depth_perception[drive]'"
            ) from error
        try:
            url = get_url_from_gdrive_confirmation(page)
        except FileURLRetrievalError as error:
            raise FetchError(f"Google Drive does not deliver the file: {error}") from error
        if is_plain_http(url) and not self.redirects.trust:
            raise FetchError(f"Google Drive leads to {url}, which is plain http")
        return url

    def _check_answer(self, response: Any) -> None:
        """Raise FetchError if the answer is for another file, before it is downloaded."""
        passed = [*self.redirects.passed, response.headers]
        stated = [headers["X-Repo-Commit"] for headers in passed if headers["X-Repo-Commit"]]
        self.revision = stated[0] if stated else ""
        wanted = self.remote.revision
        if wanted and self.revision and self.revision != wanted:
            raise FetchError(
                f"{self.remote.url} answers with revision {self.revision}, not {wanted}"
            )
        tag = passed[0]["X-Linked-ETag"] or passed[0]["ETag"] or ""
        tag = tag.removeprefix("W/").strip('"')
        if self.remote.sha256 and len(tag) == 64 and tag != self.remote.sha256:
            raise FetchError(
                f"{self.remote.url} states SHA-256 {tag}, but {self.remote.sha256} is known here: "
                "it is another file"
            )
        if _is_page(response):
            raise FetchError(f"{self.remote.url} answers with a web page, not {self.remote.name}")

    def _check_total(self, total: int, have: int) -> None:
        """Raise FetchError if the file has a wrong size or no room."""
        if self.remote.size_bytes not in (None, total):
            raise FetchError(
                f"{self.remote.url} states {total} bytes, but {self.remote.size_bytes} are known "
                "here: it is another file"
            )
        if total > self.remote.most_bytes:
            raise self._too_large(total)
        free = shutil.disk_usage(self.path.parent).free
        if free < total - have:
            raise self._no_room(f"{(total - have) / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free")

    def _too_large(self, size: int) -> FetchError:
        self._discard()
        return FetchError(
            f"{self.remote.url} has {size} bytes or more, too many for {self.remote.name}"
        )

    def _no_room(self, reason: str) -> FetchError:
        kept = f"{self._size()} bytes of it are kept there and continued" if self._size() else ""
        return FetchError(
            f"no space for {self.remote.name} in {self.path.parent} ({reason})"
            f"{'; ' if kept else ''}{kept}: make room and fetch again, or give another --directory"
        )

    def _state_of(self, response: Any) -> dict[str, Any]:
        """What tells the file of an answer from another one, and its size."""
        headers = response.headers
        match = _RANGE.fullmatch(headers.get("Content-Range", ""))
        length = headers.get("Content-Length")
        total = int(match[2]) if match else int(length) if length else None
        tag = headers.get("ETag") or headers.get("Last-Modified") or ""
        return {"url": self.remote.url, "tag": tag, "total": total}

    def _state(self) -> dict[str, Any]:
        """What was noted when the part that is here was begun; empty if it must not be used."""
        try:
            state = json.loads(_state_path(self.path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(state, dict) or not {"url", "tag", "total", "revision"} <= state.keys():
            return {}
        is_same = state["url"] == self.remote.url and (state["tag"] or self.remote.is_known)
        return state if is_same else {}


def _asked_wait_s(headers: Any) -> float:
    """Seconds that an answer asks to wait (``Retry-After``, RFC 9110 10.2.3), 60 at most; else 0.

    The header is a number of seconds or a date.
    """
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        asked = float(text)
    else:
        try:
            asked = parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError):  # none, or no date
            return 0.0
    return min(max(asked, 0.0), _LONGEST_WAIT_S)


def _is_page(response: Any) -> bool:
    return response.headers.get_content_type() == "text/html"
