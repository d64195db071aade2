"""The size rule and the resampling of Pixel-Perfect Depth, on the device of the image."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .options import MAX_PIXELS
from .transformer import STRIDE


def ppd_size(height: int, width: int, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Size (height, width) of about ``max_pixels``, each side a multiple of 16.

    Each side is rounded separately, halves to even, so the aspect ratio changes slightly.
    """
    scale = math.sqrt(max_pixels / (height * width))
    rows, columns = (max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
    return rows, columns


def ppd_resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Image (H, W, 3) uint8 at another size, rounded to whole grey levels.

    Averages pixel areas where the image shrinks and interpolates bicubically (a = -0.75) where it
    grows, as OpenCV's INTER_AREA and INTER_CUBIC do, within one grey level.
    """
    height, width = image.shape[:2]
    if (height, width) == tuple(size):
        return image
    pixels = image.permute(2, 0, 1).float()
    if size[0] * size[1] < height * width:
        shrinks = size[0] <= height and size[1] <= width
        rows = _area_weights(height, size[0], shrinks).to(image.device)
        columns = _area_weights(width, size[1], shrinks).to(image.device)
        pixels = rows @ pixels @ columns.T
    else:
        pixels = F.interpolate(pixels[None], size, mode="bicubic", align_corners=False)[0]
    return pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def _area_weights(length: int, target: int, shrinks: bool) -> Tensor:
    """Weights (target, length) of the source pixels in each target pixel.

    Where one of the two sides grows by the rounding, OpenCV changes both to a linear
    interpolation that still stays within the area.
    """
    step = length / target
    start = torch.arange(target, dtype=torch.float64)[:, None] * step
    source = torch.arange(length, dtype=torch.float64)[None]
    if shrinks:
        overlap = torch.minimum(start + step, source + 1) - torch.maximum(start, source)
        weights = overlap.clamp_min(0) / step
    else:
        first = start.floor()
        share = (start / step + 1) - (first + 1) / step
        share = torch.where(share <= 0, 0.0, share - share.floor())
        weights = (source == first) * (1 - share)
        weights = weights + (source == (first + 1).clamp_max(length - 1)) * share
    return weights.float()
