"""From an image to the input of EoMT."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..panopticdepth.input import resized


def fitted_size(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    """The largest size (height, width) within ``size``, of the same aspect ratio but for rounding.

    Sides are rounded separately, halves to even.
    """
    scale = min(size[0] / height, size[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def padded_input(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Network input (1, 3, *size) float32 of 0 to 255 of an RGB image (H, W, 3) uint8.

    The image is resized to fit, black to its right and below.
    """
    rows, columns = fitted_size(*pixels.shape[:2], size)
    planes = resized(pixels, (rows, columns)).permute(2, 0, 1)[None].to(torch.float32)
    return F.pad(planes, (0, size[1] - columns, 0, size[0] - rows))
