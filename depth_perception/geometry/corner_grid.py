"""The panorama grid of SphericalViewSynthesis (Zioulis et al., 3DV 2019): angles of pixel corners.

Our cameras look through pixel centres (:mod:`.equirectangular`). This grid only serves to repeat
numbers that were published with it: its weights are 0 on the first row and not on the last.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def corner_angles(width: int) -> tuple[Tensor, Tensor]:
    """Longitude and latitude, each (W / 2, W) float32 radians, from -3 pi / 2 and -pi / 2."""
    height = width // 2
    longitude = torch.arange(width, dtype=torch.float32) * (2 * math.pi / width) - 1.5 * math.pi
    latitude = torch.arange(height, dtype=torch.float32) * (math.pi / height) - math.pi / 2
    grid_latitude, grid_longitude = torch.meshgrid(latitude, longitude, indexing="ij")
    return grid_longitude, grid_latitude


def latitude_weights(width: int) -> Tensor:
    """(W / 2, W), the cosine of the latitude: how much of the sphere a pixel covers."""
    return torch.cos(corner_angles(width)[1]).abs()


def longitude_weights(width: int) -> Tensor:
    """(W / 2, W): 0 where the cameras of a horizontal pair look at each other, 1 between."""
    return torch.sin(corner_angles(width)[0]).abs()


def clipped_weights(weights: Tensor, low: float, high: float) -> Tensor:
    """Weights below ``low`` become 0 and those above ``high`` 1."""
    weights = torch.where(weights < low, torch.zeros_like(weights), weights)
    return torch.where(weights > high, torch.ones_like(weights), weights)


def corner_points(range_m: Tensor) -> Tensor:
    """Points (B, 3, H, W) of ranges (B, 1, H, W) on this grid.

    The axes are the authors': x to the right and z forward at the left border of the picture.
    """
    longitude, latitude = (angle.to(range_m) for angle in corner_angles(range_m.shape[-1]))
    return range_m * torch.stack(
        (
            -longitude.cos() * latitude.cos(),
            latitude.sin(),
            longitude.sin() * latitude.cos(),
        )
    )
