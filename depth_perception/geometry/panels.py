"""Virtual pinhole cameras that look out of a panorama."""

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
    """A pinhole view that shares its centre with the panorama it is cut from.

    Attributes:
        name: for topics, frames and files.
        yaw: to the right of the panorama's +z, radians.
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
        Pinhole.from_fov(self.height, self.width, self.hfov)  # refuses an impossible view

    @property
    def camera(self) -> Pinhole:
        """The panel's exact intrinsics."""
        return Pinhole.from_fov(self.height, self.width, self.hfov)

    @property
    def rotation(self) -> Tensor:
        """(3, 3) float64 from the panel's optical frame to that of the panorama."""
        return view_rotation(self.yaw, self.pitch)

    def grid(self, camera: Camera, device: torch.device | str = "cpu") -> SamplingGrid:
        """Where the panel's pixels lie in the image of ``camera``; kept per camera and device."""
        return _cached_grid(self, camera, torch.device(device))

    def cut_image(self, image: Tensor, camera: Camera, mode: Mode = "bilinear") -> Tensor:
        """What the panel sees (..., h, w) of an ``image`` (..., H, W) of ``camera``; 0 outside."""
        return self.grid(camera, image.device).sample(image, mode)

    def cut_depth(
        self,
        depth: Tensor,
        camera: Camera,
        kind: DepthKind = DepthKind.RANGE,
        mode: Mode = "nearest",
    ) -> Tensor:
        """The panel's z-depth.

        Args:
            depth: (H, W) float range (or z-depth, see ``kind``) of ``camera``, NaN where invalid.
            camera: the panorama.
            kind: what ``depth`` holds.
            mode: ``"nearest"`` takes over ranges as they are. ``"bilinear"`` interpolates inverse
                range, which is exact to second order on planes, and falls back to the nearest
                value beside depth edges and holes, so that no surface is invented there.

        Returns:
            (h, w) distance along the panel's optical axis, NaN where nothing is known.
        """
        grid = self.grid(camera, depth.device)
        distance = camera.convert(depth, kind, DepthKind.RANGE)
        ranges = grid.sample(distance, "nearest", math.nan)
        if mode == "bilinear":
            smooth = ~edge_mask(distance, wraps=camera.is_full_turn) & torch.isfinite(distance)
            whole = grid.sample(smooth.to(distance.dtype), "bilinear") > 1 - 1e-3
            inverse = grid.sample(1 / torch.where(smooth, distance, 1.0), "bilinear", math.nan)
            ranges = torch.where(whole, 1 / inverse, ranges)
        elif mode != "nearest":
            raise ValueError(f"mode must be 'nearest' or 'bilinear', got {mode!r}")
        return self.camera.convert(ranges, DepthKind.RANGE, DepthKind.Z)


def ring(count: int, hfov: float, height: int, width: int, pitch: float = 0.0) -> tuple[Panel, ...]:
    """``count`` panels at equal yaw, the first straight ahead, the next ones to the right.

    Four are called front, right, back, left; any other number ``panel_0``, ``panel_1``, ...
    """
    if count < 1:
        raise ValueError(f"a ring needs at least one panel, got {count}")
    names = ("front", "right", "back", "left")
    if count != len(names):
        names = tuple(f"panel_{index}" for index in range(count))
    return tuple(
        Panel(name, 2 * math.pi * index / count, pitch, hfov, height, width)
        for index, name in enumerate(names)
    )


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _cached_grid(panel: Panel, camera: Camera, device: torch.device) -> SamplingGrid:
    directions = panel.camera.rays(dtype=torch.float64) @ panel.rotation.T
    return SamplingGrid.of(camera, directions).to(device)
