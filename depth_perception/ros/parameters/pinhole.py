"""The parameters of the nodes for pinhole cameras."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ...options import option
from .common import CloudSettings, NodeSettings
from .scale import ScaleSettings

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
        unit="s",
        minimum=0.1,
        maximum=3600.0,
    )
    fallback_fov_deg: float = option(
        0.0,
        "Horizontal field of view that is assumed if no camera_info has arrived within "
        "camera_info.timeout_s; the diagnostics then warn. 0: images without one are dropped.",
        unit="deg",
        minimum=0.0,
        maximum=170.0,
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
class PpdSettings:
    """Parameters of Pixel-Perfect Depth."""

    steps: int = option(
        4, "Evaluations of the transformer for each image.", minimum=1, maximum=200, reload=True
    )
    seed: int = option(
        0,
        "Of the noise field, which is the same for all images.",
        minimum=0,
        maximum=2**31 - 1,
        reload=True,
    )
    max_pixels: int = option(
        1024 * 768,
        "Area at which the network sees images; its time grows with the square.",
        minimum=256,
        maximum=2**24,
        reload=True,
    )
    align: str = option(
        "robust",
        "robust fits the depth to that of MoGe-2 and refuses poor fits, ransac does as the "
        "authors' scripts, none leaves relative depth.",
        choices=("robust", "ransac", "none"),
        reload=True,
    )
    share_encoder: bool = option(
        False,
        "Where MoGe-2 also gives the semantics (ppd-large-moge), run its encoder only once; its "
        "depth changes a little.",
        reload=True,
    )
    semantics_checkpoint: str = option(
        "",
        "Weights file of the network that gives the semantics. Empty: the fetched one.",
        reload=True,
    )
    moge_checkpoint: str = option(
        "",
        "Weights file of the MoGe-2 that the depth is fitted to (moge-2-vitl-normal). Empty: the "
        "fetched one, or that of the semantics.",
        reload=True,
    )


@dataclass(frozen=True)
class MogeSettings:
    """Parameters of MoGe-2, alone or as the reference of Pixel-Perfect Depth."""

    num_tokens: int = option(
        0,
        "About how many tokens an image has in MoGe-2; fewer are faster, 0 takes the most that it "
        "was trained with. For Pixel-Perfect Depth too.",
        minimum=0,
        maximum=100_000,
        reload=True,
    )


@dataclass(frozen=True)
class ScaleDepthSettings:
    """Parameters of ScaleDepth."""

    windows: str = option(
        "off",
        "off runs on the whole image; own and joint run on windows of it, finer and several times "
        "as slow. own keeps the scale of each window, joint makes neighbours agree.",
        choices=("off", "own", "joint"),
        reload=True,
    )
    window_height: int = option(352, "Rows of a window.", minimum=32, maximum=4096, reload=True)
    window_width: int = option(512, "Columns of a window.", minimum=32, maximum=4096, reload=True)
    window_stride: int = option(
        160,
        "Rows and columns from one window to the next.",
        minimum=1,
        maximum=4096,
        reload=True,
    )
    reference_focal_px: float = option(
        -1.0,
        "Focal length, at the size of the network input, of the camera that the model was trained "
        "with (519.16 for NYU at 480 rows): depth is multiplied by the ratio of the real one to "
        "it. -1 takes that of the model: scaledepth-n knows one; scaledepth-nk and -k had several "
        "cameras and leave depth as it is, as does 0.",
        minimum=-1.0,
        maximum=1e5,
        reload=True,
    )

    @property
    def reference_focal(self) -> float | None:
        """``reference_focal_px`` as the library takes it."""
        return None if self.reference_focal_px < 0 else self.reference_focal_px

    def check(self) -> None:
        """Raise ValueError if windows would leave gaps or the focal length makes no sense."""
        if -1 < self.reference_focal_px < 0:
            raise ValueError(
                "scaledepth.reference_focal_px must be -1 or not negative, got "
                f"{self.reference_focal_px:g}"
            )
        if self.window_stride > min(self.window_height, self.window_width):
            raise ValueError(
                f"scaledepth.window_stride ({self.window_stride}) must not exceed "
                f"scaledepth.window_height ({self.window_height}) and "
                f"scaledepth.window_width ({self.window_width})"
            )


@dataclass(frozen=True)
class PinholeSettings(PinholeCameraSettings):
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
    height: int = option(
        0,
        "Least side of the network input, in pixels, of Depth Anything V2 and ScaleDepth; 0 takes "
        "the default of the model. Smaller is faster.",
        minimum=0,
        maximum=4096,
        reload=True,
    )
    flip: bool = option(
        False,
        "Average with the mirrored image: a little better, twice the time. Depth Anything V2 and "
        "ScaleDepth only.",
        reload=True,
    )
    cloud: CloudSettings = field(default_factory=CloudSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)
    ppd: PpdSettings = field(default_factory=PpdSettings)
    moge: MogeSettings = field(default_factory=MogeSettings)
    scaledepth: ScaleDepthSettings = field(default_factory=ScaleDepthSettings)
