"""Answers of servers that are no plain file, and files that were in the folder already."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from email.utils import formatdate
from pathlib import Path

import pytest
from weights_server import CONTENT, FILE, NAME, NOWHERE, SHA256, Known, Server, refused

from depth_perception.systems import (
    FetchError,
    build_network,
    download,
    fetch,
    save_network,
    weights,
    weights_path,
)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds for which a download would have waited, instead of waiting."""
    waited: list[float] = []
    monkeypatch.setattr(download.time, "sleep", waited.append)
    return waited


def test_permanent_redirection_is_followed_by_every_python(
    server: Server, known: Known, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    follow = urllib.request.HTTPRedirectHandler.redirect_request

    def of_python_3_10(self, request, file, code, text, headers, url):  # type: ignore[no-untyped-def]
        if code not in (301, 302, 303, 307):
            raise urllib.error.HTTPError(request.full_url, code, text, headers, file)
        return follow(self, request, file, code, text, headers, url)

    monkeypatch.setattr(urllib.request.HTTPRedirectHandler, "redirect_request", of_python_3_10)
    known(**{**NOWHERE, "url": f"{server.base}/moved/{FILE}"})
    server.files[FILE] = CONTENT
    assert fetch(NAME, tmp_path, trust=True).read_bytes() == CONTENT
    assert server.requests == [(FILE, None)]


@pytest.mark.parametrize("status", [408, 429])
@pytest.mark.parametrize(
    ("asked", "expected_s"), [("7", 7.0), ("86400", 60.0), ("soon", 0.0), ("", 0.0), ("date", 20.0)]
)
def test_a_busy_server_is_asked_again(
    server: Server, known: Known, secure: None, waits: list[float], tmp_path: Path,
    status: int, asked: str, expected_s: float,
) -> None:  # fmt: skip
    known()
    text = formatdate(download.time.time() + 20, usegmt=True) if asked == "date" else asked
    server.answers = [(status, {"Retry-After": text} if text else {})]
    said: list[str] = []
    assert fetch(NAME, tmp_path, say=said.append).read_bytes() == CONTENT
    assert waits == pytest.approx([expected_s], abs=2.5 if asked == "date" else 0)
    assert any(f"HTTP {status}" in text for text in said)


def test_a_server_that_stays_busy_is_given_up(
    server: Server, known: Known, secure: None, waits: list[float], tmp_path: Path
) -> None:
    known()
    server.answers = [(429, {"Retry-After": "9"})] * 20
    refused(tmp_path, "HTTP 429")
    assert waits == [9.0, 9.0, 9.0]


def test_a_refusal_is_final(
    server: Server, known: Known, secure: None, waits: list[float], tmp_path: Path
) -> None:
    known()
    server.answers = [(403, {"Retry-After": "9"})]
    refused(tmp_path, "HTTP 403")
    assert waits == []


@pytest.mark.parametrize("cuts", [0, 1])
def test_a_file_without_an_end_is_not_recorded(
    server: Server, known: Known, tmp_path: Path, cuts: int
) -> None:
    known(sha256="", size_bytes=None)
    server.framing, server.cut_after, server.cuts = "none", 40_000, cuts
    refused(tmp_path, "states neither the size of .* so they were removed", trust=True)
    assert not (tmp_path / "fetched.json").exists()


@pytest.mark.parametrize("facts", [{}, {"sha256": ""}])
def test_known_content_or_size_tells_the_end(
    server: Server, known: Known, tmp_path: Path, facts: dict[str, str]
) -> None:
    known(**facts)
    server.framing, server.cut_after, server.cuts = "none", 40_000, 1
    assert fetch(NAME, tmp_path, trust=True).read_bytes() == CONTENT


def test_chunks_tell_the_end(server: Server, known: Known, tmp_path: Path) -> None:
    known(sha256="", size_bytes=None)
    server.framing, server.cut_after, server.cuts = "chunked", 40_000, 1
    said: list[str] = []
    path = fetch(NAME, tmp_path, trust=True, say=said.append)
    assert path.read_bytes() == CONTENT
    assert any("interrupted after" in text for text in said)
    assert json.loads((tmp_path / "fetched.json").read_text())[path.name][FILE]["sha256"] == SHA256


def test_nothing_is_left_of_a_file_that_grows_too_large(
    server: Server, known: Known, tmp_path: Path
) -> None:
    known(sha256="", size_bytes=None, parameters=-(2 << 20) + 1000)  # at most 32 000 bytes
    server.framing = "chunked"
    refused(tmp_path, "bytes or more, too many", trust=True)
    assert not weights.unfinished(weights_path(NAME, tmp_path)).exists()


@pytest.mark.parametrize("put", ["dap-tiny", "noise"])
def test_file_of_another_model_put_there_by_hand_is_kept_but_not_recorded(
    known: Known, tmp_path: Path, put: str
) -> None:
    """A link of which it is unsure whether it leads to this model may have been followed."""
    known("da360-tiny", **NOWHERE, url="https://127.0.0.1:9/any.safetensors", link_unsure=True)
    path = weights_path("da360-tiny", tmp_path)
    if put == "noise":
        path.write_bytes(CONTENT)
    else:
        save_network(build_network(put), path)
    content = path.read_bytes()
    for trust in (False, True):
        with pytest.raises(FetchError, match="does not hold the weights of da360-tiny: put"):
            fetch("da360-tiny", tmp_path, trust=trust, accept_licence=True)
        assert path.read_bytes() == content
        assert not (tmp_path / "fetched.json").exists()
    save_network(build_network("da360-tiny"), path)
    assert fetch("da360-tiny", tmp_path) == path
    assert path.name in json.loads((tmp_path / "fetched.json").read_text())
