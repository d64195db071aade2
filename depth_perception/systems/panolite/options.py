"""Options of PanoLite; importing them loads no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ...options import model_option
from ...scale.options import GroundOptions
from ..options import EstimatorOptions
from ..panoptic_options import PanopticOptions
from .config import CentreLimits

_HEIGHT = model_option(
    GroundOptions.height_m,
    "Height of the camera above the ground. All distances are proportional to it; the model "
    "is trained for 0.2 to 2.5 m.",
    unit="m",
    within=(0.01, 1000.0),
    group="scale",
)


@dataclass(frozen=True)
class PanoLiteOptions(EstimatorOptions):
    """How PanoLite runs: range is its output times the height of the camera."""

    lacks: ClassVar[Mapping[str, str]] = {"seam": ""}

    camera_height_m: float = _HEIGHT


@dataclass(frozen=True)
class PanoLitePanopticOptions(PanopticOptions):
    """How PanoLite with segments runs.

    Attributes:
        limits: least scores and areas of segments; a mapping gives some, as the header of a weights
            file does.
    """

    lacks: ClassVar[Mapping[str, str]] = {"flip": "", "seam": ""}

    camera_height_m: float = _HEIGHT
    limits: CentreLimits = field(default_factory=CentreLimits)

    def __post_init__(self) -> None:
        if isinstance(self.limits, Mapping):
            object.__setattr__(self, "limits", CentreLimits(**self.limits))
        super().__post_init__()
