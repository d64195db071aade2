"""Sparse ranges as reference: points of a lidar, a laser scan or a depth camera."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ...geometry import Camera, DepthKind
from ..options import PointOptions
from ..reference import Reference

_SUPPORT = 2  # least points of a surface that hides others; a single one may be noise


def points_reference(
    points: Tensor,
    to_camera: Tensor,
    camera: Camera,
    kind: DepthKind,
    options: PointOptions | None = None,
    *,
    source: str = "points",
    device: torch.device | str | None = None,
) -> Reference:
    """Known depths at the pixels that points project to.

    Points hidden by others are dropped. Of several points on a pixel the median is used.

    Args:
        points: (N, 3) metres in the frame of the sensor; those that are not finite are ignored.
        to_camera: (4, 4) rigid transform from there to the optical frame of the camera.
        camera: the pixel grid of the prediction.
        kind: what the prediction measures.
        options: None takes the defaults.
        source: name for the report.
        device: of the result; None takes that of the points.

    Raises:
        ValueError: wrong shapes, or a transform that is not rigid.
    """
    options = options or PointOptions()
    device = points.device if device is None else torch.device(device)
    seen = _in_camera(points.to(device, torch.float32), to_camera)
    distance = seen.norm(dim=-1)
    u, v = camera.project(seen)
    usable = (distance >= options.range_min_m) & (distance <= options.range_max_m)
    usable &= (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)  # False for NaN
    seen, distance, u, v = seen[usable], distance[usable], u[usable], v[usable]
    shown = ~_hidden(u, v, distance, camera, options)
    column, row = u[shown].long(), v[shown].long()
    depth = distance[shown] if kind is DepthKind.RANGE else seen[shown, 2]
    pixel, median = _median_of_pixels(row * camera.width + column, depth)
    depth_m = torch.full((camera.height * camera.width,), torch.nan, device=device)
    depth_m[pixel] = median
    depth_m = depth_m.reshape(camera.height, camera.width)
    sigma_m = torch.sqrt(options.noise_m**2 + (options.noise_ratio * depth_m) ** 2)
    return Reference(depth_m, sigma_m, source)


def _in_camera(points: Tensor, to_camera: Tensor) -> Tensor:
    if points.ndim != 2 or points.shape[1] != 3 or tuple(to_camera.shape) != (4, 4):
        raise ValueError(
            f"need points (N, 3) and a transform (4, 4), got {tuple(points.shape)} and "
            f"{tuple(to_camera.shape)}"
        )
    turn = to_camera[:3, :3].cpu().double()
    is_rotation = torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-4)
    if not is_rotation or torch.linalg.det(turn) < 0 or not torch.isfinite(to_camera).all():
        raise ValueError(f"the transform to the camera is not rigid: {to_camera.tolist()}")
    points = points[torch.isfinite(points).all(-1)]
    matrix = to_camera.to(points)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _hidden(u: Tensor, v: Tensor, distance: Tensor, camera: Camera, o: PointOptions) -> Tensor:
    """Which points (N,) lie behind a surface.

    A z-buffer of cells as wide as the spacing, whose depth is counted in steps of equal ratio. A
    step that holds two points in a cell and its neighbours is a surface.
    """
    if o.spacing == 0:
        return torch.zeros_like(distance, dtype=torch.bool)
    cell = max(1.0, o.spacing * camera.width / camera.horizontal_fov)
    rows, columns = math.ceil(camera.height / cell), math.ceil(camera.width / cell)
    step = math.log1p(o.behind_ratio)
    steps = math.ceil(math.log(o.range_max_m / o.range_min_m) / step) + 1
    row = (v / cell).long().clamp(max=rows - 1)
    column = (u / cell).long().clamp(max=columns - 1)
    level = (torch.log(distance / o.range_min_m) / step).long().clamp(0, steps - 1)
    place = (level * rows + row) * columns + column
    counts = torch.bincount(place, minlength=steps * rows * columns).float()
    counts = counts.reshape(1, steps, rows, columns)
    around = "circular" if camera.is_full_turn and columns > 1 else "constant"
    counts = functional.pad(counts, (1, 1, 0, 0), mode=around)
    counts = functional.pad(counts, (0, 0, 1, 1))
    crowd = functional.avg_pool2d(counts, 3, stride=1)[0] * 9
    surface = crowd > _SUPPORT - 0.5
    first = torch.where(surface.any(0), surface.int().argmax(0), steps)
    return level > first[row, column] + 1


def _median_of_pixels(pixel: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (M,) without repetition, and the (lower) median of the depths on each."""
    order = depth.argsort(stable=True)
    order = order[pixel[order].argsort(stable=True)]
    found, counts = torch.unique_consecutive(pixel[order], return_counts=True)
    middle = counts.cumsum(0) - counts + (counts - 1) // 2
    return found, depth[order[middle]]
