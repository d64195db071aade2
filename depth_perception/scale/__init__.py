"""Metric scale for predictions that lack it.

The names below are imported on first use, so that importing the options stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_EXPORTS = {
    "Extrinsics": "options",
    "FilterOptions": "options",
    "FilterStatus": "filter",
    "FitError": "fits",
    "FitModel": "options",
    "FitOptions": "options",
    "Measurement": "metric",
    "MetricScale": "metric",
    "Recovered": "recovery",
    "Reference": "reference",
    "ScaleEstimate": "filter",
    "ScaleFilter": "filter",
    "ScaleFit": "fits",
    "ScaleOptions": "options",
    "ScaleRecovery": "recovery",
    "ScaleReport": "recovery",
    "ScaleSetup": "options",
    "ScaleSource": "options",
    "ScaleStatus": "recovery",
    "SensorMount": "options",
    "SourceError": "reference",
    "align": "alignment",
    "apply_fit": "alignment",
    "default_model": "alignment",
    "fit_depth": "fits",
    "fit_prediction": "alignment",
    "rigid": "metric",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
