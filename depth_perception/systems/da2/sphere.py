"""The directions that DA2's tokens attend to, as sines of their angles."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

_LEAST_Z = 1e-5


class View(NamedTuple):
    """Longitudes of the left and right border and latitudes of the top and bottom one, radians.

    Longitude is 0 at z forward and grows to the right, latitude grows downward.
    """

    left: float
    right: float
    top: float
    bottom: float


WHOLE = View(-3.1416, 3.1416, -1.5708, 1.5708)  # with the digits of the authors


def directions(height: int, width: int, view: View, step: int = 1) -> Tensor:
    """Unit vectors (rows, columns, 3) float64 of every ``step``-th pixel: x right, y down, z
    forward."""
    columns = (torch.arange(0, width, step, dtype=torch.float64) + 0.5) / width
    rows = (torch.arange(0, height, step, dtype=torch.float64) + 0.5) / height
    longitude = view.left + columns * (view.right - view.left)
    latitude = (view.top + rows * (view.bottom - view.top))[:, None]
    x, z = latitude.cos() * longitude.sin(), latitude.cos() * longitude.cos()
    return torch.stack((x, latitude.sin().expand_as(x), z), -1)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # tensors created in inference mode cannot be used in training
def sphere_embedding(
    grid: tuple[int, int], patch: int, dim: int, view: View, device: torch.device
) -> Tensor:
    """Embedding (1, rows * columns, dim) float32 of a grid of tokens.

    Each token has the direction of its top left pixel, as in the original: sines of the polar
    angle times ``dim / 2`` frequencies, then of the azimuth.
    """
    rays = directions(grid[0] * patch, grid[1] * patch, view, patch).flatten(0, 1)
    x, y, z = rays.unbind(-1)
    z = torch.where(z < 0, -1.0, 1.0) * z.abs().clamp_min(_LEAST_Z)
    angles = torch.stack((y.clamp(-1, 1).asin(), torch.atan2(x, z)), -1)
    highest = math.log2(max(grid) // 2) if max(grid) > 1 else 0.0
    frequencies = 2 ** torch.linspace(0, highest, dim // 2, dtype=torch.float64)
    sines = (math.pi * angles[..., None] * frequencies).sin()
    return sines.flatten(1).float()[None].to(device)
