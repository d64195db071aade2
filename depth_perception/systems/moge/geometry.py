"""Metric depth from the output of MoGe-2: focal length, shift, projection, scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...geometry.exact import exact
from .network import MogeMaps, view_plane_uv

_SAMPLES = 64  # rows and columns of the sampled grid
_SCAN = 129  # candidates of the first scan of the shift, logarithmic
_REFINEMENTS = 8
_TINY = 1e-12
_TAIL = 0.02  # share of the samples that may lie behind the camera, as stray ones do
_MASK_THRESHOLD = 0.5


@dataclass(frozen=True)
class MogeGeometry:
    """Metric geometry of one image.

    Attributes:
        points: (H, W, 3) metres, x right, y down, z forward.
        depth: (H, W) z-depth in metres, infinite outside the mask.
        mask: (H, W) bool, where there is a surface in front of the camera.
        normal: (H, W, 3) unit normals, zero outside the mask; None if the network has none.
        focal: () focal length in units of half the image diagonal.
        aspect: width / height of the image; that of the maps is only close to it.
    """

    points: Tensor
    depth: Tensor
    mask: Tensor
    normal: Tensor | None
    focal: Tensor
    aspect: float

    def normalised_focals(self) -> tuple[float, float]:
        """Focal lengths as shares of the image's width and height. Waits for the device."""
        half_diagonal = float(self.focal) / 2 * math.hypot(1, self.aspect)
        return half_diagonal / self.aspect, half_diagonal


def focal_of_fov(horizontal_fov: float, aspect: float) -> float:
    """Focal length in units of half the diagonal of a field of view in radians."""
    return aspect / math.hypot(1, aspect) / math.tan(horizontal_fov / 2)


def moge_geometry(
    maps: MogeMaps,
    *,
    focal: float | None = None,
    force_projection: bool = True,
    apply_mask: bool = True,
    aspect: float | None = None,
    index: int = 0,
) -> MogeGeometry:
    """Metric geometry of one image of ``maps``, without waiting for the device.

    Args:
        maps: what the network returned.
        focal: known focal length in units of half the diagonal; None estimates it.
        force_projection: put points exactly on the rays of their pixels.
        apply_mask: fill what is outside the mask with infinity, and normals with zero.
        aspect: width / height of the image; None takes that of the maps.
        index: of the image among those of ``maps``.
    """
    points = maps.points[index].float()
    height, width = points.shape[:2]
    aspect = width / height if aspect is None else aspect
    mask = torch.ones_like(points[..., 0], dtype=torch.bool)
    if maps.mask is not None:
        mask = maps.mask[index] > _MASK_THRESHOLD
    found_focal, shift = recover_focal_shift(points, mask, focal, aspect)
    depth = points[..., 2] + shift
    mask = mask & (depth > 0)
    if force_projection:
        plane = view_plane_uv(height, width, aspect, points.device) / found_focal
        points = torch.cat((plane * depth[..., None], depth[..., None]), -1)
    else:
        points = torch.cat((points[..., :2], depth[..., None]), -1)
    if maps.metric_scale is not None:
        points, depth = points * maps.metric_scale[index], depth * maps.metric_scale[index]
    normal = None if maps.normal is None else maps.normal[index]
    if apply_mask:
        points = torch.where(mask[..., None], points, math.inf)
        depth = torch.where(mask, depth, math.inf)
        if normal is not None:
            normal = torch.where(mask[..., None], normal, 0.0)
    return MogeGeometry(points, depth, mask, normal, found_focal, aspect)


def recover_focal_shift(
    points: Tensor,
    mask: Tensor | None = None,
    focal: float | None = None,
    aspect: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Focal length (in units of half the diagonal) and shift in z of a point map.

    Minimises the squared distance between the projected points and their pixels,
    sum |f xy / (z + s) - uv|^2, over the shift s, with f in closed form for each s. The shift is
    sought only where nearly all samples lie in front of the camera: first by a logarithmic scan of
    the distance of the nearest samples, then by successively finer scans. No start value is needed.
    The search runs on the device of the points, or on the CPU if that device has no float64.

    Args:
        points: (H, W, 3) points with unknown shift in z and unknown scale.
        mask: (H, W) bool, which points count.
        focal: known focal length; only the shift is sought.
        aspect: width / height of the image; None takes that of the points.

    Returns:
        () focal and () shift, float32; 1 and 0 where fewer than two samples count.
    """
    height, width = points.shape[:2]
    device = points.device
    rows, columns = (torch.arange(_SAMPLES, device=device) * n // _SAMPLES for n in (height, width))
    picked = exact(points[rows][:, columns].reshape(-1, 3))
    uv = exact(view_plane_uv(height, width, aspect, device)[rows][:, columns].reshape(-1, 2))
    weight = torch.ones_like(picked[:, 0])
    if mask is not None:
        weight = exact(mask[rows][:, columns].reshape(-1))
    weight = torch.where(torch.isfinite(picked).all(-1), weight, 0.0)
    picked = torch.where(weight[:, None] > 0, picked, 1.0)
    enough = weight.sum() >= 2
    xy, z = picked[:, :2], picked[:, 2]
    nearest, farthest = (_quantile(z, weight, share) for share in (_TAIL, 1 - _TAIL))
    extent = (farthest - nearest).clamp_min(1e-6 * (1 + nearest.abs()))

    along = (xy * uv).sum(-1) * weight  # so that sum(q . uv) is a sum of along / (z + s)
    square = (xy * xy).sum(-1) * weight
    pixels = (uv * uv).sum(-1) * weight

    def judged(distances: Tensor) -> tuple[Tensor, Tensor]:
        """Cost and focal length for each distance of the nearest samples."""
        ahead = z - nearest + distances[:, None]
        inverse = 1 / torch.where(ahead == 0, _TINY, ahead)
        projected, spread = (along * inverse).sum(-1), (square * inverse**2).sum(-1)
        best = projected / spread.clamp_min(1e-300) if focal is None else focal
        best = best + torch.zeros_like(projected)
        return best**2 * spread - 2 * best * projected + pixels.sum(), best

    steps = torch.linspace(-5, 4, _SCAN, device=z.device, dtype=torch.float64)
    exponents = steps
    for _ in range(_REFINEMENTS):
        cost, _ = judged(extent * 10.0**exponents)
        centre = exponents.take(cost.argmin())  # an index in brackets would wait for the device
        gap = exponents[1] - exponents[0]
        exponents = centre + gap * torch.linspace(-1, 1, 17, device=z.device, dtype=torch.float64)
    distance = extent * 10.0 ** centre[None]
    _, best = judged(distance)
    shift = torch.where(enough, distance[0] - nearest, 0.0)
    unknown = 1.0 if focal is None else focal
    focal_found = torch.where(enough, best[0], unknown)
    return focal_found.float().to(device), shift.float().to(device)


def _quantile(values: Tensor, weight: Tensor, share: float) -> Tensor:
    """Quantile () of the values (N,) with a weight above 0; 0 if there are none."""
    ordered = torch.where(weight > 0, values, math.inf).sort().values
    count = (weight > 0).sum()
    picked = ordered.take(((count - 1).clamp_min(0) * share).round().long())
    return torch.where(count > 0, picked, 0.0)
