"""From a picture to networks that take plain RGB."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from ..networks.padding import pad_around

_RADIUS = 2  # of the bicubic kernel, in pixels of the coarser grid


def plain_input(pixels: Tensor, size: tuple[int, int], circular: bool = False) -> Tensor:
    """Network input (1, 3, *size) float32 in [0, 1] of an RGB image (H, W, 3) uint8.

    Bicubic at pixel centres, low-pass filtered where the image shrinks. With ``circular`` the left
    and the right border are neighbours: turning the image turns the result.
    """
    planes = pixels.permute(2, 0, 1)[None].float() / 255
    if tuple(planes.shape[-2:]) == tuple(size):
        return planes
    margin = 0
    if circular:
        width = planes.shape[-1]
        common = math.gcd(width, size[1])
        step = width // common  # columns that become a whole number of columns
        turns = math.ceil((_RADIUS * max(1.0, width / size[1]) + 1) / step)
        planes = pad_around(planes, turns * step)
        margin = turns * (size[1] // common)
    target = (size[0], size[1] + 2 * margin)
    planes = F.interpolate(planes, target, mode="bicubic", align_corners=False, antialias=True)
    return planes[..., margin : margin + size[1]].clamp(0, 1)
