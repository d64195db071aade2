"""Options of synthetic worlds: the camera's walk, and data sets of rendered frames.

Importing this module loads no heavy library, so that the command line can show the options quickly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

START_NS = 1_700_000_000_000_000_000
BASELINE_M = 0.26
"""Distance of the viewpoints of 3D60 (Zioulis et al., 3DV 2019)."""

KIND_TEXT = (
    "kind of world: room, corridor, courtyard or street, any of these; flat, offices, enfilade, "
    "hall, lawn, road, town or square, fine for any of these; or some with weights: flat:2,town:1."
)
Look = Literal["usual", "wild"]
Storage = Literal["mcap", "sqlite3"]


@dataclass(frozen=True)
class BagNames:
    """Topics and frames of a bag.

    Attributes:
        image: sensor_msgs/Image, rgb8.
        camera_info: sensor_msgs/CameraInfo.
        depth: sensor_msgs/Image, 32FC1 metres, NaN without a surface: range along the ray for
            panoramas, z for pinhole cameras (REP-118).
        world_frame, body_frame, optical_frame: /tf moves the body (x forward, y left, z up) in
            the world, /tf_static fixes the optical frame to the body.
    """

    image: str = "/camera/image"
    camera_info: str = "/camera/camera_info"
    depth: str = "/camera/depth"
    world_frame: str = "world"
    body_frame: str = "camera_link"
    optical_frame: str = "camera_optical_frame"


@dataclass(frozen=True)
class Walk:
    """How the camera moves through a world, and how it is recorded.

    Attributes:
        frames: number of images.
        rate_hz: images per second.
        speed_mps: speed on the path, metres per second; at its end the camera reverses.
        start_ns: stamp of the first image, nanoseconds.
        storage: format of the bag.
        sensor: strength of noise, blur, exposure and white balance; 0 for clean images.
        antialias: whether the edges of solids are antialiased.
    """

    frames: int = 60
    rate_hz: float = 10.0
    speed_mps: float = 0.8
    start_ns: int = START_NS
    storage: Storage = "mcap"
    sensor: float = 0.0
    antialias: bool = True

    def __post_init__(self) -> None:
        if self.storage not in get_args(Storage):
            raise ValueError(f"no bag storage {self.storage!r}; choose mcap or sqlite3")
        if self.frames < 1 or self.rate_hz <= 0 or self.speed_mps < 0:
            raise ValueError(
                "a walk needs frames >= 1, rate_hz > 0 and speed_mps >= 0, got "
                f"{self.frames}, {self.rate_hz}, {self.speed_mps}"
            )

    def stamp_ns(self, index: int) -> int:
        """Stamp of an image; the period is steady to the nanosecond."""
        return self.start_ns + index * round(1e9 / self.rate_hz)


@dataclass(frozen=True)
class FolderOptions:
    """How a data set of worlds is rendered.

    Attributes:
        kind: see :func:`~depth_perception.data.worlds.make_world`.
        frames_per_world: images of each world, from different places on its path.
        split: name of the split that every frame belongs to ("train", "val", ...).
        shadows: whether to render shadows.
        antialias: whether the edges of solids are antialiased.
        sensor: strength of noise, blur, exposure and white balance; 0 for clean images.
        look: usual, or wild: the same worlds with other materials, lighting and haze, and a worse
            camera model; an unseen domain for models that were trained on the usual look.
        labels: whether class and instance maps are written as well.
        normals: whether normals are written as well.
        camera_heights_m: least and greatest height of the camera above the ground; empty for 1.2
            to 1.6 m, and 0.2 to 2.5 m in worlds of version 2.
        tilt_deg: greatest pitch and roll of the camera in either direction, degrees.
        turn: whether the camera looks in any direction instead of along its path.
        textures: folder of photographs for the surfaces of version 2, see
            :func:`~depth_perception.data.worlds.images.load_images`; empty for synthetic ones.
        rig: share of images that show the camera's own body, a tripod, poles, or a patch below.
        camera: strength of stitching, compression and other traces of real panoramic cameras.
    """

    kind: str = "any"
    frames_per_world: int = 2
    split: str = "train"
    shadows: bool = True
    antialias: bool = True
    sensor: float = 0.0
    look: Look = "usual"
    labels: bool = False
    normals: bool = False
    camera_heights_m: tuple[float, ...] = ()
    tilt_deg: float = 0.0
    turn: bool = False
    textures: str = ""
    rig: float = 0.0
    camera: float = 0.0

    def __post_init__(self) -> None:
        if len(self.camera_heights_m) not in (0, 2):
            raise ValueError(
                f"camera_heights_m must be two heights or empty, got {self.camera_heights_m}"
            )
        if not 0 <= self.tilt_deg <= 45:
            raise ValueError(f"tilt_deg must lie between 0 and 45, got {self.tilt_deg}")
        if self.frames_per_world < 1:
            raise ValueError(f"frames_per_world must be at least 1, got {self.frames_per_world}")
        if not 0 <= self.sensor < math.inf:
            raise ValueError(f"sensor must not be negative, got {self.sensor}")
