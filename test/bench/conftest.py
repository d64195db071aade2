"""Smaller ceilings: tests of benches ask for results, not for rates."""

from __future__ import annotations

import pytest

from depth_perception.bench import machine


@pytest.fixture(autouse=True)
def _small_ceiling(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.function.__name__ == "test_the_machine_alone":  # it looks at the size
        return
    monkeypatch.setattr(machine, "_CPU_SIZE", 256)
    monkeypatch.setattr(machine, "_COPY_BYTES", 1 << 22)
