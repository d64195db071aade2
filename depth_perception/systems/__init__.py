"""Systems, one folder each, and their common code: catalogue, weights, loading, estimators.

Names whose modules import the networks' libraries are imported on first use: the catalogue does not
need them.
"""

# ruff: noqa: F401
from __future__ import annotations

from ..lazy import lazy_names
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
from .sources import FetchError
from .system import Model, System
from .weights import fetch, find_weights, weights_folder, weights_path

_LAZY = {
    "panoptic": "PanopticEstimator",
    "panoptic_options": "PanopticOptions",
    "da3.estimator": "Da3Estimator",
    "da3.options": "Da3Options",
    "eomt.estimator": "EomtEstimator",
    "eomt.options": "EomtOptions",
    "blindspot.estimator": "BlindSpotEstimator BlindSpotPinholeEstimator",
    "blindspot.options": "BlindSpotOptions BlindSpotPinholeOptions",
    "checkpoints": "CheckpointError",
    "estimator": "DenseEstimator Estimator",
    "loading": "build_network load load_network save_network stored_options",
    "moge.estimator": "MogeEstimator",
    "moge.options": "MogeOptions",
    "omnidepth.estimator": "OmniDepthEstimator",
    "panels": "PanelsEstimator",
    "panopticdepth.estimator": "PanopticDepthEstimator",
    "panopticdepth.options": "PanopticDepthOptions",
    "ppd.estimator": "PpdEstimator",
    "ppd.options": "PpdOptions",
    "ppd.video": "SteadyScale",
    "scaledepth.estimator": "ScaleDepthEstimator",
    "scaledepth.options": "ScaleDepthOptions",
}
_, __getattr__ = lazy_names(__name__, _LAZY)
