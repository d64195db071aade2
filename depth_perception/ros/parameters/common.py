"""The parameters of the nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ...depth_space import ScaleKind
from ...geometry import Panel
from ...options import option, shared
from ...systems import EstimatorOptions, ModelCard
from .models import with_models
from .scale import ScaleSettings
from .segments import InstanceSettings, MarkerSettings, SegmentSettings

_LONGEST_M = 1000.0


@dataclass(frozen=True)
class NodeSettings:
    """What every depth node has."""

    model: str = option(
        "panda-tiny-metric",
        "Name of the model; `depth-perception models` lists them.",
        reload=True,
    )
    checkpoint: str = option(
        "",
        "File with the weights (safetensors or an official file). Empty: the fetched official "
        "file, or the weights inside the package.",
        reload=True,
    )
    device: str = option(
        "auto", "Where the network runs: auto, cpu, cuda, cuda:1, mps.", reload=True
    )
    precision: str = shared(EstimatorOptions, "precision")
    backend: str = shared(EstimatorOptions, "backend")
    height: int | None = shared(EstimatorOptions, "height")
    output_size: str = shared(EstimatorOptions, "output_size", default="network")
    image_transport: str = option(
        "raw",
        "raw: sensor_msgs/Image on `image`. compressed: sensor_msgs/CompressedImage on "
        "`image/compressed`.",
        choices=("raw", "compressed"),
        reload=True,
    )
    autostart: bool = option(
        True, "Configure and activate at start, without a lifecycle manager.", read_only=True
    )
    max_rate_hz: float = option(
        0.0, "At most so many frames a second are computed; 0: no limit.", minimum=0.0, maximum=1e3
    )
    max_consecutive_failures: int = option(
        30,
        "After so many failed frames in a row the node goes to unconfigured, from where it can be "
        "configured again; 0: never.",
        minimum=0,
        maximum=1_000_000,
    )
    diagnostics_period_s: float = option(
        1.0, "Time between two messages on /diagnostics.", minimum=0.1, maximum=60.0, reload=True
    )
    input_timeout_s: float = option(
        3.0, "Without an image for so long, the diagnostics warn.", minimum=0.1, maximum=3600.0
    )


@dataclass(frozen=True)
class CloudSettings:
    """Parameters of the point cloud."""

    enabled: bool = option(True, "Publish depth/points when somebody listens.")
    stride: int = option(
        1, "Take every so many rows and columns of the depth image.", minimum=1, maximum=64
    )
    organised: bool = option(
        False,
        "True: height x width points, NaN where there is none. False: one row of valid points.",
    )
    min_range_m: float = option(0.1, "Nearer points are left out.", minimum=0.0, maximum=_LONGEST_M)
    max_range_m: float = option(
        _LONGEST_M, "Farther points are left out.", minimum=0.0, maximum=_LONGEST_M
    )
    max_rate_hz: float = option(
        0.0, "At most so many clouds a second; 0: one for every frame.", minimum=0.0, maximum=1e3
    )
    colour: bool = option(True, "Give every point the colour of its pixel (field rgb).")
    edge_threshold: float = option(
        0.1,
        "Leave out points at depth jumps of more than this share (0.1: 10 %), where points would "
        "float between two surfaces; 0 keeps all.",
        minimum=0.0,
        maximum=10.0,
    )

    def check(self) -> None:
        """Raise ValueError if the range limits are the wrong way round."""
        if self.min_range_m > self.max_range_m:
            raise ValueError(
                f"cloud.min_range_m ({self.min_range_m:g}) must not exceed cloud.max_range_m "
                f"({self.max_range_m:g})"
            )


@dataclass(frozen=True)
class PanelSettings:
    """Parameters of the virtual pinhole cameras."""

    enabled: bool = option(
        True, "Offer panels/NAME/{image,depth,camera_info}; cut only if listened to.", reload=True
    )
    names: tuple[str, ...] = option(
        ("front", "right", "back", "left"), "One name for each panel.", reload=True
    )
    yaw_deg: tuple[float, ...] = option(
        (0.0, 90.0, 180.0, -90.0),
        "Direction of each panel to the right of the image centre, degrees.",
        minimum=-360.0,
        maximum=360.0,
        reload=True,
    )
    pitch_deg: tuple[float, ...] = option(
        (0.0, 0.0, 0.0, 0.0),
        "Direction of each panel above the horizon, degrees.",
        minimum=-90.0,
        maximum=90.0,
        reload=True,
    )
    fov_deg: float = option(
        90.0, "Horizontal field of view, degrees.", minimum=1.0, maximum=170.0, reload=True
    )
    width: int = option(320, "Columns of a panel.", minimum=8, maximum=4096, reload=True)
    height: int = option(320, "Rows of a panel.", minimum=8, maximum=4096, reload=True)

    def check(self) -> None:
        """Raise ValueError if the lists differ in length or a name is unfit for a topic."""
        counts = (len(self.names), len(self.yaw_deg), len(self.pitch_deg))
        if len(set(counts)) != 1:
            raise ValueError(
                "panels.names, panels.yaw_deg and panels.pitch_deg must have the same length, got "
                f"{counts[0]}, {counts[1]} and {counts[2]}"
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"panels.names must differ, got {', '.join(self.names)}")
        for name in self.names:
            if not name.isidentifier() or not name.isascii():
                raise ValueError(
                    f"panels.names: {name!r} cannot be part of a topic; use letters, digits and _"
                )

    def panels(self) -> tuple[Panel, ...]:
        """The panels asked for."""
        return tuple(
            Panel(
                name,
                math.radians(yaw),
                math.radians(pitch),
                math.radians(self.fov_deg),
                self.height,
                self.width,
            )
            for name, yaw, pitch in zip(self.names, self.yaw_deg, self.pitch_deg, strict=True)
        )


@dataclass(frozen=True)
class ScanSettings:
    """Parameters of the laser scan."""

    enabled: bool = option(True, "Publish scan when somebody listens.")
    band_deg: float = option(
        10.0,
        "Height of the band around the horizon in which the nearest surface of each column counts, "
        "degrees. The camera is taken to stand upright.",
        minimum=0.1,
        maximum=180.0,
    )
    min_range_m: float = option(0.1, "Nearer values become -inf.", minimum=0.0, maximum=_LONGEST_M)
    max_range_m: float = option(
        30.0, "Farther values become +inf.", minimum=0.0, maximum=_LONGEST_M
    )
    frame_id: str = option(
        "",
        "Frame of the scan: x forward, y left, z up. Empty: the frame of the image with "
        "`_optical_frame` replaced by `_scan_frame`.",
    )

    def check(self) -> None:
        """Raise ValueError if the range limits are the wrong way round."""
        if self.min_range_m > self.max_range_m:
            raise ValueError(
                f"scan.min_range_m ({self.min_range_m:g}) must not exceed scan.max_range_m "
                f"({self.max_range_m:g})"
            )


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
    """The parameters of ``panoramic_depth``."""

    model: str = option(
        "panda-tiny-metric",
        "Name of the model; `depth-perception models` lists them. A metric pinhole model looks "
        "around in eight panels, whose scales are made to agree where they overlap; a panoptic one "
        "also finds what stands where.",
        reload=True,
    )
    flip: bool = shared(EstimatorOptions, "flip")
    seam: str = shared(EstimatorOptions, "seam", default="circular")
    horizontal_fov_deg: float = option(
        360.0, "What the image sees from left to right, degrees.", minimum=1.0, maximum=360.0
    )
    vertical_fov_deg: float = option(
        180.0,
        "What the image sees from top to bottom, degrees; the horizon is in the middle.",
        minimum=1.0,
        maximum=180.0,
    )
    mask_file: str = option(
        "",
        "Picture in the geometry of the image; where it is not black (the body of the robot), "
        "depth is invalid. Empty: none.",
        reload=True,
    )
    publish_tf: bool = option(
        True,
        "Publish static transforms from the frame of the image to those of the scan and the "
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
    return card.camera == "equirectangular" or (
        card.has_depth and card.scale is not ScaleKind.AFFINE_INVARIANT
    )


PanoramicSettings = with_models(_PanoramicSettings, _runs_on_panoramas, {"panoptic": PanopticGroup})
