"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Folder of reference inputs and outputs, one sub-folder per system."""
    return GOLDEN
