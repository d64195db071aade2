"""The parameters of ``panoramic_depth``."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...options import option, shared
from ...systems import EstimatorOptions, ModelCard
from .models import with_models
from .node import NodeSettings, angle
from .outputs import CloudSettings, PanelSettings, ScanSettings
from .scale import ScaleSettings
from .segments import InstanceSettings, MarkerSettings, PanopticGroup, SegmentSettings


@dataclass(frozen=True)
class _PanoramicSettings(NodeSettings):
    """Parameters of ``panoramic_depth``, at their defaults."""

    model: str = option(
        "panda-tiny-metric",
        "Name of the model; `depth-perception models` lists them. Pinhole models run on eight "
        "overlapping views with aligned scales; panoptic models also publish segments.",
        reload=True,
    )
    flip: bool = shared(EstimatorOptions, "flip")
    seam: str = shared(EstimatorOptions, "seam")
    horizontal_fov_deg: float = option(
        360.0, "Horizontal field of view of the image.", **angle(1.0, 360.0)
    )
    vertical_fov_deg: float = option(
        180.0,
        "Vertical field of view of the image, around the horizon (center_elevation_deg: 0).",
        **angle(1.0, 180.0),
    )
    center_elevation_deg: float = option(
        0.0,
        "Elevation of the middle row of a partial panorama above the horizon: 22.5 for an image "
        "that lacks the lowest 45 degrees (vertical_fov_deg 135).",
        unit="deg",
        minimum=-90.0,
        maximum=90.0,
    )
    mask_file: str = option(
        "",
        "Image file with the geometry of the input image. Depth is invalid where it is not black "
        "(for example the body of the robot). Empty: no mask.",
        reload=True,
    )
    publish_tf: bool = option(
        True,
        "Publish static transforms from the frame of the image to the frames of the scan and the "
        "panels.",
        reload=True,
    )
    cloud: CloudSettings = field(default_factory=CloudSettings)
    panels: PanelSettings = field(default_factory=PanelSettings)
    scan: ScanSettings = field(default_factory=ScanSettings)
    segments: SegmentSettings = field(default_factory=SegmentSettings)
    instances: InstanceSettings = field(default_factory=InstanceSettings)
    markers: MarkerSettings = field(default_factory=MarkerSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)


def _runs_on_panoramas(card: ModelCard) -> bool:
    """Whether a model takes panoramas, as they are or split into overlapping views."""
    return card.has_depth or card.is_panoptic  # the latter together with panoptic.depth_model


PanoramicSettings = with_models(_PanoramicSettings, _runs_on_panoramas, {"panoptic": PanopticGroup})
