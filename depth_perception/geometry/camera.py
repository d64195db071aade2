"""The camera interface: a pixel grid and the viewing ray of every pixel.

Frames: the camera optical frame of REP-103 (x right, y down, z forward). Pixels: ``u`` grows to
the right and ``v`` downward; the top-left corner of the image is (0, 0) and the centre of its
first pixel is (0.5, 0.5). Lengths are metres, angles radians.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor

from ..depth_space import DepthKind

CameraT = TypeVar("CameraT", bound="Camera")

_LARGE_GRID_PX = 1 << 22
_BLOCK_ROWS = 256


class Camera(ABC):
    """A central camera bound to a pixel grid. Implementations are frozen dataclasses (hashable)."""

    height: int
    width: int

    @property
    @abstractmethod
    def horizontal_fov(self) -> float:
        """Angle between the left and the right border, radians."""

    @property
    def is_full_turn(self) -> bool:
        """Whether the left and the right border are neighbours."""
        return False

    @abstractmethod
    def directions(self, u: Tensor, v: Tensor) -> Tensor:
        """Unit directions (..., 3) in the optical frame of pixel positions ``u``, ``v`` (...)."""

    @abstractmethod
    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel positions ``(u, v)``, each (...), of ``points`` (..., 3) in the optical frame.

        Positions may lie outside the image. They are NaN for points that project to no
        pixel position (behind a pinhole, or at the camera centre).
        """

    @abstractmethod
    def resize(self: CameraT, height: int, width: int) -> CameraT:
        """The camera of the same view on another pixel grid."""

    @abstractmethod
    def crop(self: CameraT, top: int, left: int, height: int, width: int) -> CameraT:
        """The camera of a rectangle of pixels."""

    def contains(self, u: Tensor, v: Tensor) -> Tensor:
        """Whether pixel positions lie in the image, bool of their shape; false for NaN."""
        return (v >= 0) & (v <= self.height) & (u >= 0) & (u <= self.width)

    def rays(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Unit viewing ray of every pixel centre, (H, W, 3), in the optical frame.

        ``height`` and ``width`` select the rays of the resized camera. The result is computed in
        float64, cached per camera, device and dtype, and shared: do not write to it.
        """
        size = (self.height if height is None else height, self.width if width is None else width)
        camera = self if size == (self.height, self.width) else self.resize(*size)
        return _cached_rays(camera, torch.device(device), dtype)

    def unproject(self, depth: Tensor, kind: DepthKind = DepthKind.RANGE) -> Tensor:
        """Points (..., H, W, 3) in the optical frame from a depth map (..., H, W) of this grid.

        Raises:
            ValueError: the grid differs, or ``kind`` is Z on a camera with rays beyond 90 degrees.
        """
        self._check_grid(depth)
        rays = self.rays(device=depth.device, dtype=depth.dtype)
        return rays * self._to_range(depth, kind)[..., None]

    def convert(self, depth: Tensor, source: DepthKind, target: DepthKind) -> Tensor:
        """Convert between range and z-depth, (..., H, W) on this grid; same shape out."""
        self._check_grid(depth)
        if source == target:
            return depth
        distance = self._to_range(depth, source)
        return distance if target == DepthKind.RANGE else distance * self._ray_z(depth)

    def _check_grid(self, depth: Tensor) -> None:
        found, grid = tuple(depth.shape[-2:]), (self.height, self.width)
        if found != grid:
            fix = "resize one of them (camera.resize(height, width))"
            raise ValueError(f"depth map is {found} but the camera grid is {grid}: {fix}")

    def _ray_z(self, depth: Tensor) -> Tensor:
        z = self.rays(device=depth.device, dtype=depth.dtype)[..., 2]
        if not _sees_only_forward(self):
            raise ValueError(
                f"z-depth is undefined for {type(self).__name__}: it sees 90 degrees or more off "
                "the optical axis; use range (DepthKind.RANGE)"
            )
        return z

    def _to_range(self, depth: Tensor, kind: DepthKind) -> Tensor:
        return depth if kind == DepthKind.RANGE else depth / self._ray_z(depth)


ASPECT_TOLERANCE = 0.02
"""Largest relative difference of two aspect ratios that count as equal."""


def same_aspect(
    size: tuple[int, int], other: tuple[int, int], tolerance: float = ASPECT_TOLERANCE
) -> bool:
    """Whether two (height, width) have the same aspect ratio, up to a relative ``tolerance``."""
    return abs(size[1] * other[0] / (size[0] * other[1]) - 1) <= tolerance


def check_size(height: int, width: int) -> None:
    """Raise ValueError unless both are positive."""
    if height < 1 or width < 1:
        raise ValueError(f"image size must be positive, got height {height} and width {width}")


def check_crop(camera: Camera, top: int, left: int, height: int, width: int) -> None:
    """Raise ValueError if a rectangle leaves the image; on a full turn it may cross the border."""
    crosses = camera.is_full_turn and 0 <= left < camera.width and width <= camera.width
    across = crosses or 0 <= left <= left + width <= camera.width
    if not (across and 0 <= top <= top + height <= camera.height):
        raise ValueError(
            f"crop top={top} left={left} height={height} width={width} leaves the "
            f"{camera.height} x {camera.width} image"
        )


def with_size(camera: CameraT, height: int, width: int, **changes: float) -> CameraT:
    """``dataclasses.replace`` for a camera, with the size checked first."""
    check_size(height, width)
    return replace(camera, height=height, width=width, **changes)


def pixel_centres(
    height: int, width: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Positions ``(u, v)`` of all pixel centres, each (H, W)."""
    v = torch.arange(height, device=device, dtype=dtype) + 0.5
    u = torch.arange(width, device=device, dtype=dtype) + 0.5
    grid_v, grid_u = torch.meshgrid(v, u, indexing="ij")
    return grid_u, grid_v


def _cached_rays(camera: Camera, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Caches sixteen small grids, but only two large ones (0.4 GB at 8192 x 4096)."""
    is_large = camera.height * camera.width > _LARGE_GRID_PX
    return (_large_rays if is_large else _small_rays)(camera, device, dtype)


@torch.inference_mode(False)  # tensors made in inference mode cannot be used in training
def _rays(camera: Camera, device: torch.device, dtype: torch.dtype) -> Tensor:
    u = torch.arange(camera.width, dtype=torch.float64) + 0.5
    rays = torch.empty((camera.height, camera.width, 3), device=device, dtype=dtype)
    for top in range(0, camera.height, _BLOCK_ROWS):  # float64 needs several times the memory
        v = torch.arange(top, min(top + _BLOCK_ROWS, camera.height), dtype=torch.float64) + 0.5
        grid_v, grid_u = torch.meshgrid(v, u, indexing="ij")
        rays[top : top + _BLOCK_ROWS] = camera.directions(grid_u, grid_v).to(dtype)
    return rays


_small_rays = lru_cache(maxsize=16)(_rays)
_large_rays = lru_cache(maxsize=2)(_rays)


@lru_cache(maxsize=256)
def _sees_only_forward(camera: Camera) -> bool:
    u = torch.tensor([0.5, 0.5, camera.width - 0.5, camera.width - 0.5], dtype=torch.float64)
    v = torch.tensor([0.5, camera.height - 0.5, 0.5, camera.height - 0.5], dtype=torch.float64)
    corners = camera.directions(u, v)[..., 2]
    return bool((corners > 1e-6).all()) and camera.horizontal_fov < math.pi
