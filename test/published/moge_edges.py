"""The rule by which MoGe marks edges before it exports a cloud."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def spread_mask(depth: Tensor, threshold: float = 0.04, valid: Tensor | None = None) -> Tensor:
    """Pixels whose 3 x 3 neighbourhood spans more than ``threshold`` of their own depth.

    MoGe marks edges by this rule before it exports a cloud, with infinite depth outside its mask,
    so that the pixels along the border of the mask are marked too. :func:`edge_mask` marks both
    sides of a jump alike and leaves such borders.

    Args:
        depth: (..., H, W), infinite where there is no surface.
        threshold: largest difference between the farthest and the nearest neighbour, relative.
        valid: (..., H, W) bool; other pixels are not looked at as neighbours.

    Returns:
        (..., H, W) bool.
    """
    depth = depth.detach()
    farthest, nearest = depth, -depth
    if valid is not None:
        infinity = torch.full_like(depth, math.inf)
        farthest = torch.where(valid, depth, -infinity)
        nearest = torch.where(valid, -depth, -infinity)
    farthest, nearest = map(_largest, (farthest, nearest))
    spread = (farthest + nearest) / depth
    return spread.nan_to_num(nan=0.0, posinf=math.inf) > threshold


def _largest(values: Tensor) -> Tensor:
    """Maximum over the 3 x 3 neighbourhood of each pixel (..., H, W)."""
    planes = values.reshape(-1, 1, *values.shape[-2:])
    return F.max_pool2d(planes, 3, stride=1, padding=1).reshape(values.shape)
