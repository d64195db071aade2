"""The parameters of ``panoptic_depth``."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...options import option
from .common import CloudSettings
from .pinhole import PinholeCameraSettings
from .scale import ScaleSettings
from .segments import InstanceSettings, MarkerSettings, SegmentSettings

DEFAULT_MODEL = "panopticdepth-tiny"


@dataclass(frozen=True)
class PanopticSettings(PinholeCameraSettings):
    """Parameters of ``panoptic_depth``, at their defaults."""

    model: str = option(
        DEFAULT_MODEL,
        "Name of a panoptic pinhole model; `depth-perception models` lists them. Without depth "
        "(panopticdepth-r50-seg) it gives segments alone.",
        reload=True,
    )
    precision: str = option(
        "float32",
        "Arithmetic of the network but for its depth branch; depth and geometry stay in float32.",
        choices=("float32", "float16", "bfloat16"),
        reload=True,
    )
    height: int = option(
        0,
        "Shorter side of the network input, in pixels; 0 takes the default of the model. Smaller "
        "is faster.",
        minimum=0,
        maximum=4096,
        reload=True,
    )
    classes_file: str = option(
        "",
        "YAML file with a name and a colour for each class of the model, in its order, such as "
        "config/cityscapes_classes.yaml. Empty: the classes of the model.",
        reload=True,
    )
    reference_focal_px: float = option(
        -1.0,
        "Focal length, at the size of the network input, of the camera that the model was trained "
        "with (2262.5 for Cityscapes at 2048 columns): depth is multiplied by the ratio of the "
        "real one to it. -1 takes that of the model; 0 leaves depth as it is.",
        minimum=-1.0,
        maximum=1e5,
        reload=True,
    )
    segments: SegmentSettings = field(default_factory=SegmentSettings)
    instances: InstanceSettings = field(default_factory=InstanceSettings)
    markers: MarkerSettings = field(default_factory=MarkerSettings)
    cloud: CloudSettings = field(default_factory=CloudSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)

    def check(self) -> None:
        """Raise ValueError if the focal length makes no sense."""
        if -1 < self.reference_focal_px < 0:
            raise ValueError(
                f"reference_focal_px must be -1 or not negative, got {self.reference_focal_px:g}"
            )
