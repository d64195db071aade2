"""Metric depth, point clouds and per-instance 3D from 360 degree and pinhole cameras.

The names below are imported on first use, so that importing a message module stays light.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import Any

__path__ = extend_path(__path__, __name__)  # generated messages may live in an installed prefix
__version__ = "0.1.0"

_EXPORTS = {
    "AffineInvariantError": "prediction",
    "DepthKind": "geometry",
    "DepthSpace": "prediction",
    "Equirectangular": "geometry",
    "Estimator": "systems",
    "Instance": "prediction",
    "Pinhole": "geometry",
    "Prediction": "prediction",
    "ScaleKind": "prediction",
    "fetch": "systems",
    "load": "systems",
    "models": "systems",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
