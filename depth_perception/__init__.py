"""Metric depth, point clouds and per-instance 3D from 360 degree and pinhole cameras.

The names below are imported on first use, so that importing a message module stays light.
"""

from __future__ import annotations

from pkgutil import extend_path

from .lazy import lazy_names

__path__ = extend_path(__path__, __name__)  # generated messages may live in an installed prefix
__version__ = "0.1.0"

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "geometry": "DepthKind Equirectangular Pinhole",
        "prediction": "AffineInvariantError DepthSpace Instance Prediction ScaleKind",
        "systems": "Estimator fetch load models",
    },
)
