"""Weights and points of SphericalViewSynthesis (Zioulis et al., 3DV 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_perception.geometry.projections import corner_angles


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
