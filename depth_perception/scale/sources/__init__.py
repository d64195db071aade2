"""Sources of metric scale: each module makes a Reference."""

from __future__ import annotations

from .camera_height import ground_reference
from .object_size import KnownObject, object_reference
from .other_model import model_reference, predicted_reference
from .points import points_reference

__all__ = [
    "KnownObject",
    "ground_reference",
    "model_reference",
    "object_reference",
    "points_reference",
    "predicted_reference",
]
