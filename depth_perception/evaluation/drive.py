"""Synthetic drives: images, lidar and ground truth of a moving camera, kept in a cache."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ..data.worlds import Walk, make_world, render
from ..data.worlds.bag import walk_pose
from ..data.worlds.lidar import Lidar, scan
from ..data.worlds.primitives import first_hits
from ..data.worlds.world import World
from ..geometry import Equirectangular
from ..io.atomic import replacing

_VERSION = 1


@dataclass(frozen=True)
class DriveOptions:
    """One drive through one world.

    Attributes:
        kind, seed: the world.
        frames, rate_hz, speed_mps: see :class:`~depth_perception.data.worlds.Walk`.
        height: rows of the panorama.
        lidar: the sensor.
        mount_m: position of the lidar in the body frame of the camera (x forward, y left, z up).
        mount_yaw: yaw of the lidar to the left, radians.
        late_s: delay of the lidar measurement after its stamp, seconds, while the camera moves.
    """

    kind: str = "street"
    seed: int = 0
    frames: int = 300
    rate_hz: float = 10.0
    speed_mps: float = 1.5
    height: int = 112
    lidar: Lidar = field(default_factory=lambda: Lidar(outliers=0.3))
    mount_m: tuple[float, float, float] = (0.1, 0.05, 0.15)
    mount_yaw: float = 0.3
    late_s: float = 0.02

    @property
    def camera(self) -> Equirectangular:
        """The pixel grid of the images."""
        return Equirectangular(self.height, 2 * self.height)

    def lidar_in_camera(self) -> Tensor:
        """(4, 4) float64, from the lidar to the optical frame of the camera."""
        cos, sin = math.cos(self.mount_yaw), math.sin(self.mount_yaw)
        mount = torch.eye(4, dtype=torch.float64)
        mount[:2, :2] = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
        mount[:3, 3] = torch.tensor(self.mount_m, dtype=torch.float64)
        optical = torch.eye(4, dtype=torch.float64)
        optical[:3, :3] = torch.tensor(
            [[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]], dtype=torch.float64
        )
        return optical @ mount


@dataclass(frozen=True)
class DriveFrame:
    """One moment of a drive.

    Attributes:
        stamp_s: time since the start of the drive.
        rgb: (H, W, 3) uint8.
        range_m: (H, W) float32, infinite in the sky.
        points: (N, 3) float32 in the frame of the lidar.
        camera_height_m: of the camera above the ground under it.
    """

    stamp_s: float
    rgb: Tensor
    range_m: Tensor
    points: Tensor
    camera_height_m: float


def drive(
    options: DriveOptions, cache: Path | None = None, on_frame: Callable[[int], None] | None = None
) -> Iterator[DriveFrame]:
    """The frames of a drive; frames in the folder ``cache`` are read instead of rendered."""
    world = make_world(options.kind, options.seed)
    for index in range(options.frames):
        path = None if cache is None else cache / _name(options) / f"{index:04d}.pt"
        if path is not None and path.exists():
            stored = torch.load(path, weights_only=True)
            frame = DriveFrame(**stored)
        else:
            frame = _frame(world, options, index)
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as partial:
                    torch.save(dict(vars(frame)), partial)
        if on_frame is not None:
            on_frame(index)
        yield frame


def _frame(world: World, options: DriveOptions, index: int) -> DriveFrame:
    walk = Walk(frames=options.frames, rate_hz=options.rate_hz, speed_mps=options.speed_mps)
    pose = walk_pose(world, walk, index)
    # the pose between two frames
    late_pose = walk_pose(world, walk, index + options.late_s * options.rate_hz)
    image = render(world, options.camera, pose, antialias=True)
    lidar_pose = late_pose @ options.lidar_in_camera()
    down = torch.tensor([[0.0], [0.0], [-1.0]])
    height_m, _ = first_hits(world.primitives, pose[:3, 3].float(), down)
    return DriveFrame(
        stamp_s=index / options.rate_hz,
        rgb=image.rgb,
        range_m=image.range_m,
        points=scan(world, options.lidar, lidar_pose, seed=1000 * options.seed + index),
        camera_height_m=float(height_m[0]),
    )


def _name(options: DriveOptions) -> str:
    """Name of a drive's folder in a cache; it depends on all options that change a frame."""
    text = repr((_VERSION, asdict(replace(options, frames=1))))
    return f"{options.kind}-{options.seed}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
