"""Metric scale for predictions that lack it.

The names below are imported on first use, so that importing the options stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "alignment": "align apply_fit default_model fit_prediction",
    "filter": "FilterStatus ScaleEstimate ScaleFilter",
    "fits": "FitError ScaleFit fit_depth",
    "metric": "Measurement MetricScale",
    "options": "Extrinsics FilterOptions FitModel FitOptions ScaleOptions ScaleSetup ScaleSource "
    "SensorMount",
    "recovery": "Recovered ScaleRecovery ScaleReport ScaleStatus",
    "reference": "Reference SourceError",
}
_EXPORTS = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
