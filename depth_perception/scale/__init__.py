"""Metric scale for predictions that lack it."""

from __future__ import annotations

from .alignment import align, apply_fit, default_model, fit_prediction
from .filter import FilterOptions, FilterStatus, ScaleEstimate, ScaleFilter
from .fits import FitError, FitModel, FitOptions, ScaleFit, fit_depth

__all__ = [
    "FilterOptions",
    "FilterStatus",
    "FitError",
    "FitModel",
    "FitOptions",
    "ScaleEstimate",
    "ScaleFilter",
    "ScaleFit",
    "align",
    "apply_fit",
    "default_model",
    "fit_depth",
    "fit_prediction",
]
