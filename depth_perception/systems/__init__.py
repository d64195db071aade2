"""The published systems: catalogue, networks, weights."""

from __future__ import annotations

from .card import ModelCard
from .catalog import DEFAULT_MODEL, build_network, card, models
from .checkpoints import CheckpointError
from .loading import load_network, save_network
from .weights import FetchError, fetch, find_weights, weights_folder, weights_path

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
