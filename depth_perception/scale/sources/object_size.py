"""Objects of known size as reference: a person of 1.7 m, a door of 2 m, a wheel of 0.6 m."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...geometry import DepthKind
from ...prediction import Prediction
from ..reference import Reference, SourceError


@dataclass(frozen=True)
class KnownObject:
    """An upright object in the image.

    Attributes:
        box: (left, top, right, bottom) in pixels of the prediction, right and bottom exclusive.
        height_m, width_m: its size, metres; one of them.
        sigma_ratio: standard deviation of the size, relative to it.
        mask: (bottom - top, right - left) bool, its pixels in the box; None takes the middle half
            of the box in both directions.
    """

    box: tuple[int, int, int, int]
    height_m: float | None = None
    width_m: float | None = None
    sigma_ratio: float = 0.05
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (left < right and top < bottom):
            raise ValueError(f"box must be (left, top, right, bottom), got {self.box}")
        if (self.height_m is None) == (self.width_m is None):
            raise ValueError("give the height or the width of an object, and only one of them")
        size = self.height_m if self.width_m is None else self.width_m
        if size is None or not (math.isfinite(size) and size > 0):
            raise ValueError(f"the size of an object must be positive metres, got {size}")
        if not self.sigma_ratio >= 0:
            raise ValueError(f"sigma_ratio must not be negative, got {self.sigma_ratio}")
        if self.mask is not None and tuple(self.mask.shape) != (bottom - top, right - left):
            raise ValueError(f"mask {tuple(self.mask.shape)} does not fit the box {self.box}")


def object_reference(
    prediction: Prediction,
    objects: Sequence[KnownObject],
    *,
    up: tuple[float, float, float] = (0.0, -1.0, 0.0),
) -> Reference:
    """Known depths at the pixels of objects.

    An object that stands along ``up`` at horizontal distance d and is seen from the elevation a to
    the elevation b is d (tan b - tan a) high; one seen under the angle w is 2 d tan(w / 2) wide.
    All of it is assumed to be at that distance. One object determines a scale; a shift also needs
    objects near and far.

    Args:
        prediction: of any space and scale.
        objects: at least one.
        up: away from the ground in the optical frame.

    Raises:
        SourceError: no object, or one without extent.
        ValueError: a box leaves the image.
    """
    if not objects:
        raise SourceError("no object of known size is visible")
    rays = prediction.camera.rays(device=prediction.values.device)
    upward = torch.tensor(up, dtype=rays.dtype, device=rays.device)
    upward = upward / upward.norm()
    depth_m = torch.full_like(prediction.values, torch.nan)
    sigma_m = depth_m.clone()
    for known in objects:
        left, top, right, bottom = known.box
        if not (left >= 0 and right <= rays.shape[1] and top >= 0 and bottom <= rays.shape[0]):
            raise ValueError(
                f"box {known.box} leaves the image of {rays.shape[1]} x {rays.shape[0]} pixels"
            )
        distance = _horizontal_distance(prediction, known, upward)
        seen = rays[top:bottom, left:right]
        range_m = distance / (1 - (seen @ upward).square()).clamp_min(1e-6).sqrt()
        depth = range_m if prediction.kind is DepthKind.RANGE else range_m * seen[..., 2]
        mask = known.mask
        if mask is None:
            height, width = depth.shape
            mask = torch.zeros(depth.shape, dtype=torch.bool)
            mask[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
        mask = mask.to(depth.device)
        part = (slice(top, bottom), slice(left, right))
        depth_m[part] = torch.where(mask, depth, depth_m[part])
        sigma_m[part] = torch.where(mask, known.sigma_ratio * depth, sigma_m[part])
    return Reference(depth_m, sigma_m, "object_size")


def _horizontal_distance(prediction: Prediction, known: KnownObject, upward: Tensor) -> float:
    left, top, right, bottom = known.box
    if known.height_m is not None:
        u, v = [(left + right) / 2] * 2, (top, bottom)
    else:
        u, v = (left, right), [(top + bottom) / 2] * 2
    ends = prediction.camera.directions(
        *(torch.tensor(place, dtype=torch.float64) for place in (u, v))
    )
    upward = upward.cpu().double()
    rise = ends @ upward
    flat = (1 - rise.square()).clamp_min(1e-12).sqrt()
    if known.height_m is not None:
        extent = float((rise / flat)[0] - (rise / flat)[1])
        size = known.height_m
    else:
        across = (ends - rise[:, None] * upward) / flat[:, None]
        angle = math.acos(max(-1.0, min(1.0, float(across[0] @ across[1]))))
        extent, size = 2 * math.tan(angle / 2), float(known.width_m or 0.0)
    if not extent > 1e-6:
        raise SourceError(f"the object in box {known.box} has no extent along its known size")
    return size / extent
