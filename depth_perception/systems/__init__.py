"""The published systems: catalogue, networks, weights.

The names of ``loading`` are imported on first use: the networks' libraries take seconds to load,
and the catalogue does not need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .card import ModelCard
from .catalog import DEFAULT_MODEL, card, models
from .checkpoints import CheckpointError
from .weights import FetchError, fetch, find_weights, weights_folder, weights_path

_LOADING = ("build_network", "load_network", "save_network")

__all__ = [
    "DEFAULT_MODEL",
    "CheckpointError",
    "FetchError",
    "ModelCard",
    "build_network",
    "card",
    "fetch",
    "find_weights",
    "load_network",
    "models",
    "save_network",
    "weights_folder",
    "weights_path",
]


def __getattr__(name: str) -> Any:
    if name not in _LOADING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".loading", __name__), name)
