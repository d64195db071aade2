"""Metric scale for predictions that lack it."""

from __future__ import annotations

from .alignment import align, apply_fit, default_model, fit_prediction
from .fits import FitError, FitModel, FitOptions, ScaleFit, fit_depth

__all__ = [
    "FitError",
    "FitModel",
    "FitOptions",
    "ScaleFit",
    "align",
    "apply_fit",
    "default_model",
    "fit_depth",
    "fit_prediction",
]
