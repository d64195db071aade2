"""Options of PanoLite; importing them loads no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...options import model_option
from ...scale.options import GroundOptions
from ..options import EstimatorOptions


@dataclass(frozen=True)
class PanoLiteOptions(EstimatorOptions):
    """How PanoLite runs: range is its output times the height of the camera."""

    lacks: ClassVar[Mapping[str, str]] = {"seam": ""}

    camera_height_m: float = model_option(
        GroundOptions.height_m,
        "Height of the camera above the ground. All distances are proportional to it; the model "
        "is trained for 0.2 to 2.5 m.",
        unit="m",
        within=(0.01, 1000.0),
        group="scale",
    )
