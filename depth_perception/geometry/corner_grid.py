"""The panorama grid of SphericalViewSynthesis (Zioulis et al., 3DV 2019): angles of pixel corners.

The cameras of this package use pixel centres (:mod:`.equirectangular`). This grid only serves to
reproduce published numbers: its weights are 0 on the first row and not on the last.
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
    """(W / 2, W), the cosine of the latitude, proportional to the solid angle of a pixel."""
    return torch.cos(corner_angles(width)[1]).abs()
