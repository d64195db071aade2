"""The systems: one folder for each, and what they share: catalogue, weights, loading, estimators.

Names whose modules import the networks' libraries are imported on first use: the catalogue does not
need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .card import ModelCard
from .catalog import (
    DEFAULT_MODEL,
    card,
    estimator_class,
    model,
    models,
    options_of,
    system_of,
    systems,
)
from .options import ASSUMED_PINHOLE_FOV_DEG, EstimatorOptions, OutputSize
from .system import Model, System
from .weights import FetchError, fetch, find_weights, weights_folder, weights_path

_LAZY = {
    "BlindSpotEstimator": "blindspot.estimator",
    "BlindSpotOptions": "blindspot.options",
    "BlindSpotPinholeEstimator": "blindspot.estimator",
    "BlindSpotPinholeOptions": "blindspot.options",
    "CheckpointError": "checkpoints",
    "DenseEstimator": "estimator",
    "Estimator": "estimator",
    "MogeEstimator": "moge.estimator",
    "MogeOptions": "moge.options",
    "OmniDepthEstimator": "omnidepth.estimator",
    "PanelsEstimator": "panels",
    "PanopticDepthEstimator": "panopticdepth.estimator",
    "PanopticDepthOptions": "panopticdepth.options",
    "PpdEstimator": "ppd.estimator",
    "PpdOptions": "ppd.options",
    "ScaleDepthEstimator": "scaledepth.estimator",
    "ScaleDepthOptions": "scaledepth.options",
    "SteadyScale": "ppd.video",
    "build_network": "loading",
    "load": "loading",
    "load_network": "loading",
    "save_network": "loading",
    "stored_options": "loading",
}

__all__ = [
    "ASSUMED_PINHOLE_FOV_DEG",
    "DEFAULT_MODEL",
    "EstimatorOptions",
    "FetchError",
    "Model",
    "ModelCard",
    "OutputSize",
    "System",
    "card",
    "estimator_class",
    "fetch",
    "find_weights",
    "model",
    "models",
    "options_of",
    "system_of",
    "systems",
    "weights_folder",
    "weights_path",
    *_LAZY,
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
