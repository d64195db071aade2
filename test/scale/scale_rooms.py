"""A room of known size, seen by a panorama and by a lidar, without rendering."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from depth_perception.geometry import DepthKind, Equirectangular
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind

CAMERA = Equirectangular(56, 112)
HEIGHT_M = 1.4
LIDAR_IN_CAMERA = torch.tensor(
    [[0.0, -1.0, 0.0, 0.1], [0.0, 0.0, -1.0, -0.1], [1.0, 0.0, 0.0, 0.05], [0, 0, 0, 1]],
    dtype=torch.float64,
)
_LOW = torch.tensor((-1.5, -1.3, -3.0))  # walls left, ceiling and behind in the optical frame
_HIGH = torch.tensor((4.0, HEIGHT_M, 8.0))  # right, floor, ahead


def room_range(directions: Tensor, origin: Tensor | None = None, ahead_m: float = 0.0) -> Tensor:
    """Range (...) along unit ``directions`` (..., 3), of a camera that went ``ahead_m`` forward."""
    origin = torch.zeros(3) if origin is None else origin.float()
    at = origin + torch.tensor((0.0, 0.0, ahead_m))
    walls = torch.where(directions > 0, _HIGH - at, _LOW - at)
    return (walls / directions).nan_to_num(nan=torch.inf).amin(-1)


def prediction(
    scale: float = 1.0,
    shift: float = 0.0,
    *,
    kind: ScaleKind = ScaleKind.AFFINE_INVARIANT,
    space: DepthSpace = DepthSpace.DEPTH,
    ahead_m: float = 0.0,
    noise: float = 0.03,
    seed: int = 0,
) -> Prediction:
    """Values of which ``scale * value + shift`` is the room, in ``space``, but for noise."""
    generator = torch.Generator().manual_seed(seed)
    depth = room_range(CAMERA.rays(), ahead_m=ahead_m)
    depth = depth * (1 + noise * torch.randn(depth.shape, generator=generator))
    linear = {
        DepthSpace.DEPTH: depth,
        DepthSpace.INVERSE_DEPTH: 1 / depth,
        DepthSpace.LOG_DEPTH: depth.log(),
        DepthSpace.LOG1P_DEPTH: depth.log1p(),
    }[space]
    valid = torch.ones_like(depth, dtype=torch.bool)
    return Prediction((linear - shift) / scale, valid, CAMERA, DepthKind.RANGE, space, kind)


def lidar_points(ahead_m: float = 0.0, *, outliers: float = 0.3, seed: int = 0) -> Tensor:
    """Points (N, 3) in the frame of the lidar, of 16 beams within 15 degrees of the horizon."""
    elevation = torch.linspace(-15, 15, 16).deg2rad()[:, None]
    azimuth = (torch.arange(240) * (2 * math.pi / 240))[None]
    rays = torch.stack(
        torch.broadcast_tensors(
            elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()
        ),
        -1,
    ).reshape(-1, 3)
    turn, origin = LIDAR_IN_CAMERA[:3, :3].float(), LIDAR_IN_CAMERA[:3, 3].float()
    ranges = room_range(rays @ turn.T, origin, ahead_m)
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(ranges.shape, generator=generator) < outliers
    wild = 0.5 + 29.5 * torch.rand(ranges.shape, generator=generator)
    return rays * torch.where(wrong, wild, ranges)[:, None]
