"""Grids of other authors, to reproduce published numbers; those of this package use pixel centres.

The Cassini projection of Deep360 follows the sampling rule of PanDA's data reader: the outermost
samples lie on the borders (``align_corners``), not half a pixel inside. The panorama grid of
SphericalViewSynthesis (Zioulis et al., 3DV 2019) has the angles of pixel corners: its weights are 0
on the first row and not on the last.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from .equirectangular import Equirectangular
from .sampling import read_bilinear


def cassini_to_equirectangular(image: Tensor) -> Tensor:
    """Convert a Cassini panorama (..., H, W) with H = 2 W to an equirectangular one (..., W, H).

    Bilinear with the border repeated; integers are truncated. Range values are not changed.

    Raises:
        ValueError: H is not 2 W.
    """
    height, width = image.shape[-2:]
    if height != 2 * width:
        raise ValueError(f"a Cassini panorama is twice as high as wide, got {height} x {width}")
    return read_bilinear(image, _cassini_grid(width), on_borders=True).to(image.dtype)


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _cassini_grid(width: int) -> Tensor:
    """Positions (W, 2 W, 2) of the equirectangular pixels in the Cassini panorama."""
    x, y, z = Equirectangular(width, 2 * width).rays(dtype=torch.float64).unbind(-1)
    across = torch.asin(x.clamp(-1, 1)) / (math.pi / 2)
    along = torch.atan2(y, z) / math.pi
    return torch.stack((across, along), -1).clamp(-1, 1).float()


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
