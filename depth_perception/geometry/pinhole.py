"""The ideal pinhole camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .camera import Camera, check_crop, check_size, with_size


@dataclass(frozen=True)
class Pinhole(Camera):
    """A rectified perspective camera without skew.

    Attributes:
        height, width: grid size in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels, with pixel centres at +0.5 (half a pixel more than the
            K matrix of OpenCV and ``sensor_msgs/CameraInfo``, see :meth:`from_k`).
    """

    height: int
    width: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        if not (self.fx > 0 and self.fy > 0 and math.isfinite(self.fx) and math.isfinite(self.fy)):
            raise ValueError(
                f"focal lengths must be positive and finite, got fx={self.fx}, fy={self.fy}; a "
                "CameraInfo with K[0] = 0 belongs to an uncalibrated camera"
            )
        if not (math.isfinite(self.cx) and math.isfinite(self.cy)):
            raise ValueError(f"principal point must be finite, got cx={self.cx}, cy={self.cy}")

    @classmethod
    def from_fov(cls, height: int, width: int, horizontal_fov: float) -> Pinhole:
        """A centred camera with square pixels and a view of ``horizontal_fov`` radians."""
        if not 0 < horizontal_fov < math.pi:
            raise ValueError(f"horizontal_fov must lie in (0, pi) rad, got {horizontal_fov}")
        focal = width / 2 / math.tan(horizontal_fov / 2)
        return cls(height, width, focal, focal, width / 2, height / 2)

    @classmethod
    def from_k(cls, height: int, width: int, k: Sequence[float]) -> Pinhole:
        """From a row-major 3x3 K whose first pixel centre is (0, 0) (OpenCV, CameraInfo)."""
        if len(k) != 9:
            raise ValueError(f"K must have 9 row-major entries, got {len(k)}")
        return cls(height, width, float(k[0]), float(k[4]), float(k[2]) + 0.5, float(k[5]) + 0.5)

    def to_k(self) -> list[float]:
        """Row-major 3x3 K whose first pixel centre is (0, 0) (OpenCV, CameraInfo)."""
        return [self.fx, 0.0, self.cx - 0.5, 0.0, self.fy, self.cy - 0.5, 0.0, 0.0, 1.0]

    @property
    def horizontal_fov(self) -> float:
        """Angle between the left and the right border at the height of the axis, radians."""
        return math.atan(self.cx / self.fx) + math.atan((self.width - self.cx) / self.fx)

    @property
    def vertical_fov(self) -> float:
        """Angle between the top and the bottom border, radians."""
        return math.atan(self.cy / self.fy) + math.atan((self.height - self.cy) / self.fy)

    def directions(self, u: Tensor, v: Tensor) -> Tensor:
        x, y = (u - self.cx) / self.fx, (v - self.cy) / self.fy
        rays = torch.stack((x, y, torch.ones_like(x)), dim=-1)
        return rays / rays.norm(dim=-1, keepdim=True)

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        x, y, z = points.unbind(-1)
        depth = torch.where(z > 0, z, torch.full_like(z, math.nan))
        return x / depth * self.fx + self.cx, y / depth * self.fy + self.cy

    def resize(self, height: int, width: int) -> Pinhole:
        sx, sy = width / self.width, height / self.height
        fx, fy, cx, cy = self.fx * sx, self.fy * sy, self.cx * sx, self.cy * sy
        return with_size(self, height, width, fx=fx, fy=fy, cx=cx, cy=cy)

    def crop(self, top: int, left: int, height: int, width: int) -> Pinhole:
        check_crop(self, top, left, height, width)
        return with_size(self, height, width, cx=self.cx - left, cy=self.cy - top)
