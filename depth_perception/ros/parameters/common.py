"""The parameters of the nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from ...depth_space import ScaleKind
from ...geometry import Panel
from ...options import option, shared
from ...scale.options import ScaleOptions, ScaleSetup
from ...systems import EstimatorOptions, ModelCard
from .models import with_models
from .segments import InstanceSettings, MarkerSettings, SegmentSettings

# Ranges that several options share.
_RATE = {"unit": "Hz", "minimum": 0.0, "maximum": 1e3}
_DISTANCE = {"unit": "m", "minimum": 0.0, "maximum": 1000.0}
TIMEOUT = {"unit": "s", "minimum": 0.1, "maximum": 3600.0}

_SIDE = {"unit": "px", "minimum": 8, "maximum": 4096, "reload": True}


@dataclass(frozen=True)
class ScaleSettings(ScaleSetup):
    """Source of metric scale."""

    source: str = shared(
        ScaleSetup,
        "source",
        note="points listens to scale/points (PointCloud2), scan to scale/scan (LaserScan).",
        choices=("model", "points", "scan", "camera_height", "reference", "fixed", "none"),
    )
    transform: str = option(
        "tf",
        "Source of the pose of the range sensor. tf: the transform from its frame to the frame of "
        "the image. given: scale.extrinsics.",
        choices=("tf", "given"),
        reload=True,
    )

    @property
    def measures(self) -> bool:
        """Whether the node listens to a range sensor."""
        return self.source in ("points", "scan")

    def options(self) -> ScaleOptions:
        """The options of the library, where a scan is points."""
        chosen = replace(self, source="points") if self.source == "scan" else self
        return ScaleSetup.options(chosen)


def _angle(minimum: float, maximum: float, **properties: bool) -> dict[str, Any]:
    return {"unit": "deg", "minimum": minimum, "maximum": maximum, **properties}


def _check_range(group: str, settings: CloudSettings | ScanSettings) -> None:
    """Raise ValueError if the limits of the range are the wrong way round."""
    low, high = settings.min_range_m, settings.max_range_m
    if low > high:
        raise ValueError(
            f"{group}.min_range_m ({low:g}) must not exceed {group}.max_range_m ({high:g})"
        )


@dataclass(frozen=True)
class NodeSettings:
    """Parameters of every depth node."""

    model: str = option(
        "panda-tiny-metric", "Name of the model; `depth-perception models` lists them.", reload=True
    )
    checkpoint: str = option(
        "",
        "Weights file (safetensors or official checkpoint). Empty: downloaded or bundled weights.",
        reload=True,
    )
    device: str = option(
        "auto", "Device of the network: auto, cpu, cuda, cuda:1 or mps.", reload=True
    )
    precision: str = shared(EstimatorOptions, "precision")
    backend: str = shared(EstimatorOptions, "backend")
    height: int | None = shared(EstimatorOptions, "height", maximum=4096)
    output_size: str = shared(EstimatorOptions, "output_size", default="network")
    image_transport: str = option(
        "raw",
        "Type of the input images. raw: sensor_msgs/Image on `image`. compressed: "
        "sensor_msgs/CompressedImage on `image/compressed`.",
        choices=("raw", "compressed"),
        reload=True,
    )
    autostart: bool = option(
        True,
        "Configure and activate the node at start, without a lifecycle manager.",
        read_only=True,
    )
    max_rate_hz: float = option(0.0, "Maximum rate of processed images; 0: no limit.", **_RATE)
    max_consecutive_failures: int = option(
        30,
        "Number of consecutive failed images after which the node becomes unconfigured; it can be "
        "configured again. 0: never.",
        minimum=0,
        maximum=1_000_000,
    )
    diagnostics_period_s: float = option(
        1.0,
        "Period of the messages on /diagnostics.",
        **{**TIMEOUT, "maximum": 60.0, "reload": True},
    )
    input_timeout_s: float = option(
        3.0, "Time without an image after which the diagnostics warn.", **TIMEOUT
    )


@dataclass(frozen=True)
class CloudSettings:
    """Point cloud on `depth/points`."""

    enabled: bool = option(True, "Publish depth/points while it has subscribers.")
    stride: int = option(
        1, "Publish every n-th row and column of the depth image.", minimum=1, maximum=64
    )
    organised: bool = option(
        False, "True: height x width points, NaN where invalid. False: one row of the valid points."
    )
    min_range_m: float = option(0.1, "Nearer points are omitted.", **_DISTANCE)
    max_range_m: float = option(1000.0, "Farther points are omitted.", **_DISTANCE)
    max_rate_hz: float = option(0.0, "Maximum rate of clouds; 0: one for every image.", **_RATE)
    colour: bool = option(True, "Add the colour of the pixel to every point (field rgb).")
    edge_threshold: float = option(
        0.1,
        "Omit points at relative depth discontinuities larger than this (0.1: 10 %), where points "
        "would float between two surfaces; 0 keeps all.",
        minimum=0.0,
        maximum=10.0,
    )

    def check(self) -> None:
        """Raise ValueError if the range limits are the wrong way round."""
        _check_range("cloud", self)


@dataclass(frozen=True)
class PanelSettings:
    """Virtual pinhole cameras on `panels/NAME/{image,depth,camera_info}`."""

    enabled: bool = option(
        True,
        "Publish panels/NAME/{image,depth,camera_info} while they have subscribers.",
        reload=True,
    )
    names: tuple[str, ...] = option(
        ("front", "right", "back", "left"), "Names of the panels.", reload=True
    )
    yaw_deg: tuple[float, ...] = option(
        (0.0, 90.0, 180.0, -90.0),
        "Yaw of each panel relative to the image centre; positive is to the right.",
        **_angle(-360.0, 360.0, reload=True),
    )
    pitch_deg: tuple[float, ...] = option(
        (0.0, 0.0, 0.0, 0.0),
        "Pitch of each panel relative to the horizon; positive is up.",
        **_angle(-90.0, 90.0, reload=True),
    )
    fov_deg: float = option(
        90.0, "Horizontal field of view of the panels.", **_angle(1.0, 170.0, reload=True)
    )
    width: int = option(320, "Width of a panel.", **_SIDE)
    height: int = option(320, "Height of a panel.", **_SIDE)

    def check(self) -> None:
        """Raise ValueError if the lists differ in length or a name cannot be part of a topic."""
        counts = (len(self.names), len(self.yaw_deg), len(self.pitch_deg))
        if len(set(counts)) != 1:
            raise ValueError(
                "panels.names, panels.yaw_deg and panels.pitch_deg must have the same length, got "
                "{}, {} and {}".format(*counts)
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"panels.names must differ, got {', '.join(self.names)}")
        for name in self.names:
            if not name.isidentifier() or not name.isascii():
                raise ValueError(
                    f"panels.names: {name!r} cannot be part of a topic; use letters, digits and _"
                )

    def panels(self) -> tuple[Panel, ...]:
        """The panels."""
        yaws, pitches = map(math.radians, self.yaw_deg), map(math.radians, self.pitch_deg)
        view = (math.radians(self.fov_deg), self.height, self.width)
        return tuple(Panel(*each, *view) for each in zip(self.names, yaws, pitches, strict=True))


@dataclass(frozen=True)
class ScanSettings:
    """Laser scan on `scan`."""

    enabled: bool = option(True, "Publish scan while it has subscribers.")
    band_deg: float = option(
        10.0,
        "Height of the band around the horizon within which the nearest surface of each column is "
        "the range. The camera is assumed to be upright.",
        **_angle(0.1, 180.0),
    )
    min_range_m: float = option(0.1, "Nearer ranges become -inf.", **_DISTANCE)
    max_range_m: float = option(30.0, "Farther ranges become +inf.", **_DISTANCE)
    frame_id: str = option(
        "",
        "Frame of the scan, with x forward, y left and z up. Empty: the frame of the image with "
        "`_optical_frame` replaced by `_scan_frame`.",
    )

    def check(self) -> None:
        """Raise ValueError if the range limits are the wrong way round."""
        _check_range("scan", self)


@dataclass(frozen=True)
class PanopticGroup:
    """Parameters of panoptic models besides their options."""

    classes_file: str = option(
        "",
        "YAML file with a name and a colour for each class of a panoptic model, in its order, such "
        "as config/cityscapes_classes.yaml. Empty: the classes of the model.",
        reload=True,
    )


@dataclass(frozen=True)
class _PanoramicSettings(NodeSettings):
    """Parameters of ``panoramic_depth``, at their defaults."""

    model: str = option(
        "panda-tiny-metric",
        "Name of the model; `depth-perception models` lists them. Metric pinhole models run on "
        "eight overlapping views with aligned scales; panoptic models also publish segments.",
        reload=True,
    )
    flip: bool = shared(EstimatorOptions, "flip")
    seam: str = shared(EstimatorOptions, "seam", default="circular")
    horizontal_fov_deg: float = option(
        360.0, "Horizontal field of view of the image.", **_angle(1.0, 360.0)
    )
    vertical_fov_deg: float = option(
        180.0,
        "Vertical field of view of the image; the horizon is in the middle.",
        **_angle(1.0, 180.0),
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
    return (
        card.camera == "equirectangular"
        or card.is_panoptic  # without depth together with panoptic.depth_model
        or card.scale is not ScaleKind.AFFINE_INVARIANT
    )


PanoramicSettings = with_models(_PanoramicSettings, _runs_on_panoramas, {"panoptic": PanopticGroup})
