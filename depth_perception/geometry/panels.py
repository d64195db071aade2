"""Virtual pinhole cameras in a panorama."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..depth_space import DepthKind
from .camera import Camera
from .edges import edge_mask
from .pinhole import Pinhole
from .rotations import view_rotation
from .sampling import Mode, SamplingGrid


@dataclass(frozen=True)
class Panel:
    """A pinhole view with the same centre as the panorama that it is cut from.

    Attributes:
        name: used in topics, frames and files.
        yaw: to the right of the +z axis of the panorama, radians.
        pitch: upward, radians.
        hfov: horizontal field of view, radians, in (0, pi).
        height, width: size in pixels; the pixels are square.
    """

    name: str
    yaw: float
    pitch: float
    hfov: float
    height: int
    width: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.yaw) and math.isfinite(self.pitch)):
            raise ValueError(f"panel {self.name!r}: yaw and pitch must be finite radians")
        Pinhole.from_fov(self.height, self.width, self.hfov)  # rejects an impossible view

    @property
    def camera(self) -> Pinhole:
        """The intrinsics of the panel."""
        return Pinhole.from_fov(self.height, self.width, self.hfov)

    @property
    def rotation(self) -> Tensor:
        """(3, 3) float64 from the panel's optical frame to that of the panorama."""
        return view_rotation(self.yaw, self.pitch)

    def grid(self, camera: Camera, device: torch.device | str = "cpu") -> SamplingGrid:
        """The sampling grid of the panel in an image of ``camera``, cached."""
        return _cached_grid(self, camera, torch.device(device))

    def cut_image(self, image: Tensor, camera: Camera, mode: Mode = "bilinear") -> Tensor:
        """The view (..., h, w) of the panel in an ``image`` (..., H, W) of ``camera``, else 0."""
        return self.grid(camera, image.device).sample(image, mode)

    def cut_depth(
        self,
        depth: Tensor,
        camera: Camera,
        kind: DepthKind = DepthKind.RANGE,
        mode: Mode = "nearest",
    ) -> Tensor:
        """The z-depth of the panel, from a depth map of the panorama.

        Args:
            depth: (H, W) float range (or z-depth, see ``kind``) of ``camera``, NaN where invalid.
            camera: the panorama.
            kind: kind of ``depth``.
            mode: ``"nearest"``, or ``"bilinear"`` for :func:`sample_range`.

        Returns:
            (h, w) distance along the optical axis of the panel, NaN where unknown.
        """
        grid = self.grid(camera, depth.device)
        distance = camera.convert(depth, kind, DepthKind.RANGE)
        if mode == "bilinear":
            ranges = sample_range(grid, distance)
        else:
            ranges = grid.sample(distance, mode, math.nan)
        return self.camera.convert(ranges, DepthKind.RANGE, DepthKind.Z)


def sample_range(grid: SamplingGrid, range_m: Tensor) -> Tensor:
    """Range (h, w) on a grid, from a range map (H, W) of its source; NaN where invalid.

    Inverse range is interpolated, which is exact to second order on planes. Beside depth edges and
    holes the nearest value is used, so that no surface is interpolated there.
    """
    nearest = grid.sample(range_m, "nearest", math.nan)
    smooth = ~edge_mask(range_m, wraps=grid.wraps, reach=1) & torch.isfinite(range_m)
    whole = grid.sample(smooth.to(range_m.dtype), "bilinear") > 1 - 1e-3
    inverse = grid.sample(1 / torch.where(smooth, range_m, 1.0), "bilinear", 1.0)
    return torch.where(whole, 1 / inverse, nearest)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _cached_grid(panel: Panel, camera: Camera, device: torch.device) -> SamplingGrid:
    directions = panel.camera.rays(dtype=torch.float64) @ panel.rotation.T
    return SamplingGrid.of(camera, directions).to(device)
