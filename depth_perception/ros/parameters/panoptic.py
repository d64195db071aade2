"""The parameters of ``panoptic_depth``."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...options import option, shared
from ...systems import PanopticDepthOptions
from .common import CloudSettings, PanopticGroup
from .models import with_models
from .pinhole import PinholeCameraSettings
from .scale import ScaleSettings
from .segments import InstanceSettings, MarkerSettings, SegmentSettings

DEFAULT_MODEL = "panopticdepth-tiny"


@dataclass(frozen=True)
class _PanopticSettings(PinholeCameraSettings):
    """Parameters of ``panoptic_depth``, at their defaults."""

    model: str = option(
        DEFAULT_MODEL,
        "Name of a panoptic pinhole model; `depth-perception models` lists them. Without depth "
        "(panopticdepth-r50-seg) it gives segments alone.",
        reload=True,
    )
    classes_file: str = shared(PanopticGroup, "classes_file")
    reference_focal_px: float | None = shared(PanopticDepthOptions, "reference_focal_px")
    segments: SegmentSettings = field(default_factory=SegmentSettings)
    instances: InstanceSettings = field(default_factory=InstanceSettings)
    markers: MarkerSettings = field(default_factory=MarkerSettings)
    cloud: CloudSettings = field(default_factory=CloudSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)


PanopticSettings = with_models(_PanopticSettings, lambda card: card.is_panoptic)
