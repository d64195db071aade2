"""Sources of metric scale: each module makes a Reference, or a fit."""

from __future__ import annotations

from ..options import FixedOptions, GroundOptions, PointOptions, upward
from .camera_height import ground_reference
from .fixed import fixed_fit
from .object_size import KnownObject, object_reference
from .other_model import model_reference, predicted_reference
from .points import points_reference

__all__ = [
    "FixedOptions",
    "GroundOptions",
    "KnownObject",
    "PointOptions",
    "fixed_fit",
    "ground_reference",
    "model_reference",
    "object_reference",
    "points_reference",
    "predicted_reference",
    "upward",
]
