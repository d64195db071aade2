"""Estimators: an image in, a prediction out. One module per kind of network.

The names of single systems are imported on first use: who loads PanDA needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .base import ASSUMED_PINHOLE_FOV_DEG, Estimator, EstimatorOptions, OutputSize
from .loading import load, options_of

_SYSTEMS = {
    "BlindSpotEstimator": "blindspot",
    "BlindSpotOptions": "blindspot",
    "BlindSpotPinholeEstimator": "blindspot",
    "BlindSpotPinholeOptions": "blindspot",
    "MogeEstimator": "moge",
    "MogeOptions": "moge",
    "OmniDepthEstimator": "omnidepth",
    "PanelsEstimator": "panels",
    "PanopticDepthEstimator": "panopticdepth",
    "PanopticDepthOptions": "panopticdepth",
    "PpdEstimator": "ppd",
    "PpdOptions": "ppd",
    "ScaleDepthEstimator": "scaledepth",
    "ScaleDepthOptions": "scaledepth",
    "SteadyScale": "video",
}

__all__ = [
    "ASSUMED_PINHOLE_FOV_DEG",
    "BlindSpotEstimator",
    "BlindSpotOptions",
    "BlindSpotPinholeEstimator",
    "BlindSpotPinholeOptions",
    "Estimator",
    "EstimatorOptions",
    "MogeEstimator",
    "MogeOptions",
    "OmniDepthEstimator",
    "OutputSize",
    "PanelsEstimator",
    "PanopticDepthEstimator",
    "PanopticDepthOptions",
    "PpdEstimator",
    "PpdOptions",
    "ScaleDepthEstimator",
    "ScaleDepthOptions",
    "SteadyScale",
    "load",
    "options_of",
]


def __getattr__(name: str) -> Any:
    if name not in _SYSTEMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_SYSTEMS[name]}", __name__), name)
