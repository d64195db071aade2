"""What a backend needs to be tested; continuous integration has all of it but TensorRT."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from depth_perception.backends.engines import BackendError
from depth_perception.backends.inductor_engine import find_compiler


def needs(backend: str) -> None:
    """Skip without what a backend needs; its import, which importorskip tries, is tested."""
    if backend == "inductor":
        try:
            find_compiler()
        except BackendError as error:
            pytest.skip(str(error))
    elif find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
