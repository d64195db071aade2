"""What the tests of downloads use: the server, and what the catalogue states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from weights_server import CONTENT, FILE, HUB, NAME, REPO, SHA256, Known, Server, serving

from depth_perception.systems import catalog, download, sources, weights
from depth_perception.systems.system import Model


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_WAIT_S", 0.0)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        server.files[f"{REPO}/{FILE}"] = CONTENT
        monkeypatch.setenv("HF_ENDPOINT", server.base)
        monkeypatch.setattr(sources, "DRIVE", f"{server.base}/uc?export=download&id={{}}")
        monkeypatch.setattr(sources, "RAW", server.base)
        yield server


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    """Changes what the catalogue states of a model: ``known(model, field=value, ...)``."""
    entry, changed = catalog._entry, {}

    def change(name: str = NAME, **facts: Any) -> None:
        system, model = entry(name)
        facts = {**HUB, "size_bytes": len(CONTENT), "sha256": SHA256, **facts}
        changed[name] = (system, Model(replace(model.card, **facts), model.arguments))

    monkeypatch.setattr(catalog, "_entry", lambda name: changed.get(name) or entry(name))
    return change


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server counts as one with https."""
    for module in (weights, download):
        monkeypatch.setattr(module, "is_plain_http", lambda _: False)
