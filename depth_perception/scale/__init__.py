"""Metric scale for predictions that lack it.

The names below are imported on first use, so that importing the options stays light.
"""

from __future__ import annotations

from ..lazy import lazy_names

_NAMES = {
    "alignment": "apply_fit default_model fit_prediction",
    "filter": "FilterStatus ScaleEstimate ScaleFilter",
    "fits": "FitError ScaleFit fit_depth",
    "metric": "Measurement MetricScale",
    "options": "Extrinsics FilterOptions FitModel FitOptions ScaleOptions ScaleSetup ScaleSource "
    "SensorMount",
    "recovery": "Recovered ScaleRecovery ScaleReport ScaleStatus",
    "reference": "Reference SourceError",
}
__all__, __getattr__ = lazy_names(__name__, _NAMES)
