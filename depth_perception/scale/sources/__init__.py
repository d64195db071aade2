"""Sources of metric scale: each module makes a Reference."""

# ruff: noqa: F401
from __future__ import annotations

from .camera_height import ground_reference
from .object_size import KnownObject, object_reference
from .other_model import model_reference, predicted_reference
from .points import points_reference
