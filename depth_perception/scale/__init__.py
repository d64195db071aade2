"""Metric scale for predictions that lack it."""

from __future__ import annotations

from .alignment import align, apply_fit, default_model, fit_prediction
from .filter import FilterOptions, FilterStatus, ScaleEstimate, ScaleFilter
from .fits import FitError, FitModel, FitOptions, ScaleFit, fit_depth
from .metric import Measurement, MetricScale, rigid
from .options import Extrinsics, ScaleOptions, ScaleSource
from .recovery import Recovered, ScaleRecovery, ScaleReport, ScaleStatus
from .reference import Reference, SourceError

__all__ = [
    "Extrinsics",
    "FilterOptions",
    "FilterStatus",
    "FitError",
    "FitModel",
    "FitOptions",
    "Measurement",
    "MetricScale",
    "Recovered",
    "Reference",
    "ScaleEstimate",
    "ScaleFilter",
    "ScaleFit",
    "ScaleOptions",
    "ScaleRecovery",
    "ScaleReport",
    "ScaleSource",
    "ScaleStatus",
    "SourceError",
    "align",
    "apply_fit",
    "default_model",
    "fit_depth",
    "fit_prediction",
    "rigid",
]
