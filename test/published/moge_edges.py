"""The rule by which MoGe marks edges before it exports a cloud."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from depth_perception.geometry.edges import _window


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
    farthest, nearest = (_window(x, False, torch.maximum) for x in (farthest, nearest))
    spread = (farthest + nearest) / depth
    return spread.nan_to_num(nan=0.0, posinf=math.inf) > threshold
