"""Options of PanopticDepth; importing them loads no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ...options import option
from ..panoptic_options import PanopticOptions
from ..scaledepth.options import reference_focal
from .config import PanopticLimits


@dataclass(frozen=True)
class PanopticDepthOptions(PanopticOptions):
    """How PanopticDepth runs.

    Attributes:
        limits: least scores and areas of segments; a mapping gives some, as the header of a weights
            file does.
    """

    lacks: ClassVar[Mapping[str, str]] = {"flip": "", "seam": ""}

    limits: PanopticLimits = field(default_factory=PanopticLimits)
    reference_focal_px: float | None = reference_focal(
        "2262.5 for Cityscapes at 2048 columns", group="panoptic"
    )
    lean: bool = option(
        True,
        "Compute masks and depth only where they matter. The original way has the same results "
        "and needs gigabytes of memory.",
        library_only=True,
    )
    crop_depth: bool = option(
        True, "See depth_perception.systems.panopticdepth.maps.View.", library_only=True
    )

    def __post_init__(self) -> None:
        if isinstance(self.limits, Mapping):
            object.__setattr__(self, "limits", PanopticLimits(**self.limits))
        super().__post_init__()
