"""The parameters of the nodes for pinhole cameras."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ...options import option, shared
from ...systems import EstimatorOptions
from .common import CloudSettings, NodeSettings
from .models import with_models
from .scale import ScaleSettings

DEFAULT_MODEL = "moge-2-vits-normal"


class Sync(str, Enum):
    """Which CameraInfo belongs to an image: the one with its stamp, or the latest one."""

    EXACT = "exact"
    LATEST = "latest"


@dataclass(frozen=True)
class CameraInfoSettings:
    """Parameters of the intrinsics."""

    sync: str = option(
        "exact",
        "exact: each image needs the camera_info of its own stamp. latest: the last camera_info "
        "counts whatever its stamp, also a latched or a slow one.",
        choices=tuple(sync.value for sync in Sync),
        reload=True,
    )
    timeout_s: float = option(
        3.0,
        "Without a camera_info for so long while images come, the diagnostics warn, and "
        "camera_info.fallback_fov_deg counts.",
        minimum=0.1,
        maximum=3600.0,
    )
    fallback_fov_deg: float = option(
        0.0,
        "Horizontal field of view, degrees, that is assumed after camera_info.timeout_s as long as "
        "no camera_info has come at all; the diagnostics then warn. 0: images without one are "
        "dropped.",
        minimum=0.0,
        maximum=170.0,
    )


@dataclass(frozen=True)
class PinholeCameraSettings(NodeSettings):
    """What every node for pinhole cameras has."""

    rectify: bool = option(
        True,
        "Rectify distorted images by their camera_info (plumb_bob, rational_polynomial, "
        "equidistant); false: refuse them.",
    )
    image_is_rectified: bool = option(
        False,
        "The image is rectified already although its camera_info describes the raw one, as with "
        "image_rect of image_proc: P is its camera, D does not count.",
    )
    camera_info: CameraInfoSettings = field(default_factory=CameraInfoSettings)


@dataclass(frozen=True)
class _PinholeSettings(PinholeCameraSettings):
    """The parameters of ``pinhole_depth``."""

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
