"""The parameters of the nodes for pinhole cameras."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ...options import option, shared
from ...systems import EstimatorOptions, PanopticDepthOptions
from .models import with_models
from .node import TIMEOUT, NodeSettings
from .outputs import CloudSettings
from .scale import ScaleSettings
from .segments import InstanceSettings, MarkerSettings, PanopticGroup, SegmentSettings

DEFAULT_MODEL = "moge-2-vits-normal"


class Sync(str, Enum):
    """Which CameraInfo belongs to an image: the one with its stamp, or the latest one."""

    EXACT = "exact"
    LATEST = "latest"


@dataclass(frozen=True)
class CameraInfoSettings:
    """Intrinsics of the camera, from `camera_info`."""

    sync: str = option(
        "exact",
        "How camera_info is matched to images. exact: by equal stamps. latest: the last one is "
        "used whatever its stamp, which suits latched and slow publishers.",
        choices=tuple(sync.value for sync in Sync),
        reload=True,
    )
    timeout_s: float = option(
        3.0,
        "Time without a camera_info, while images arrive, after which the diagnostics warn and "
        "camera_info.fallback_fov_deg is used.",
        **TIMEOUT,
    )
    fallback_fov_deg: float = option(
        0.0,
        "Horizontal field of view that is assumed if no camera_info has arrived within "
        "camera_info.timeout_s, or if it is that of a camera which was never calibrated (K and P "
        "are zero); the diagnostics then warn. 0: such images are dropped.",
        unit="deg",
        within=(0.0, 170.0),
    )
    require_same_frame: bool = option(
        False,
        "Reject images whose camera_info has another frame_id. If false, the diagnostics warn, and "
        "the frame of the image is used.",
    )


@dataclass(frozen=True)
class PinholeCameraSettings(NodeSettings):
    """Parameters of every node for pinhole cameras."""

    rectify: bool = option(
        True,
        "Rectify distorted images by their camera_info (plumb_bob, rational_polynomial, "
        "equidistant). If false, distorted images are rejected.",
    )
    image_is_rectified: bool = option(
        False,
        "The image is already rectified although its camera_info describes the raw image, as for "
        "image_rect of image_proc: P is then the camera, and D is ignored.",
    )
    camera_info: CameraInfoSettings = field(default_factory=CameraInfoSettings)


@dataclass(frozen=True)
class _PinholeSettings(PinholeCameraSettings):
    """Parameters of ``pinhole_depth``, at their defaults.

    Options that only some models have lie in groups of their own, besides ``height`` and ``flip``.
    If one is changed although the chosen model does not have it, the node rejects it on configure.
    """

    model: str = option(
        DEFAULT_MODEL,
        "Name of a pinhole model; `depth-perception models` lists them. None is inside the "
        "package: `depth-perception weights fetch NAME` gets one.",
        reload=True,
    )
    flip: bool = shared(EstimatorOptions, "flip")
    cloud: CloudSettings = field(default_factory=CloudSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)


PinholeSettings = with_models(
    _PinholeSettings, lambda card: card.camera == "pinhole" and not card.is_panoptic
)


@dataclass(frozen=True)
class _PanopticSettings(PinholeCameraSettings):
    """Parameters of ``panoptic_depth``, at their defaults."""

    model: str = option(
        "panopticdepth-tiny",
        "Name of a panoptic pinhole model; `depth-perception models` lists them. Without depth "
        "(eomt-small, panopticdepth-r50-seg) it gives segments alone, unless "
        "panoptic.depth_model is set.",
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
