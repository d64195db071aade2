"""The systems: one folder for each, and what they share: catalogue, weights, loading, estimators.

Names whose modules import the networks' libraries are imported on first use: the catalogue does not
need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .card import ModelCard
from .catalog import DEFAULT_MODEL, card, models
from .checkpoints import CheckpointError
from .weights import FetchError, fetch, find_weights, weights_folder, weights_path

_LAZY = {
    "ASSUMED_PINHOLE_FOV_DEG": "estimator",
    "BlindSpotEstimator": "blindspot.estimator",
    "BlindSpotOptions": "blindspot.estimator",
    "BlindSpotPinholeEstimator": "blindspot.estimator",
    "BlindSpotPinholeOptions": "blindspot.estimator",
    "Estimator": "estimator",
    "EstimatorOptions": "estimator",
    "MogeEstimator": "moge.estimator",
    "MogeOptions": "moge.estimator",
    "OmniDepthEstimator": "omnidepth.estimator",
    "OutputSize": "estimator",
    "PanelsEstimator": "panels",
    "PanopticDepthEstimator": "panopticdepth.estimator",
    "PanopticDepthOptions": "panopticdepth.estimator",
    "PpdEstimator": "ppd.estimator",
    "PpdOptions": "ppd.estimator",
    "ScaleDepthEstimator": "scaledepth.estimator",
    "ScaleDepthOptions": "scaledepth.estimator",
    "SteadyScale": "ppd.video",
    "build_network": "loading",
    "load": "loaded",
    "load_network": "loading",
    "options_of": "loaded",
    "save_network": "loading",
}

__all__ = [
    "DEFAULT_MODEL",
    "CheckpointError",
    "FetchError",
    "ModelCard",
    "card",
    "fetch",
    "find_weights",
    "models",
    "weights_folder",
    "weights_path",
    *_LAZY,
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
