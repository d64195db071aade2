"""Flying pixels: depth values between a near and a far surface."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def edge_mask(
    depth: Tensor, threshold: float = 0.1, valid: Tensor | None = None, *, wraps: bool = False
) -> Tensor:
    """Pixels at a depth jump, where a network blends two surfaces and points float between them.

    A pixel is marked when it is more than ``1 + threshold`` times as far, or as near, as one of
    its eight neighbours. So a threshold of 0.1 marks a jump from 2.0 m to 2.3 m, on both sides,
    at any scale of the depth. Surfaces seen at a grazing angle look like jumps too: at an angular
    pixel size a, a plane is marked where its slant (angle from the normal) exceeds about
    ``atan(threshold / a)``.

    Args:
        depth: (..., H, W) positive floats.
        threshold: relative jump, positive.
        valid: (..., H, W) bool; other pixels, and those not finite or not positive, neither are
            marked nor mark others.
        wraps: the left and right border are neighbours (full panoramas).

    Returns:
        (..., H, W) bool, true on pixels to drop.
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be a positive relative jump, got {threshold}")
    usable = torch.isfinite(depth) & (depth > 0)
    if valid is not None:
        usable = usable & valid
    log_depth = torch.where(usable, depth, torch.ones_like(depth)).float().log()
    infinity = torch.full_like(log_depth, math.inf)
    farthest = _window_max(torch.where(usable, log_depth, -infinity), wraps)
    nearest = -_window_max(torch.where(usable, -log_depth, -infinity), wraps)
    jump = torch.maximum(farthest - log_depth, log_depth - nearest)
    return usable & (jump > math.log1p(threshold))


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
    farthest, nearest = depth, -depth
    if valid is not None:
        infinity = torch.full_like(depth, math.inf)
        farthest = torch.where(valid, depth, -infinity)
        nearest = torch.where(valid, -depth, -infinity)
    spread = (_window_max(farthest, False) + _window_max(nearest, False)) / depth
    return spread.nan_to_num(nan=0.0, posinf=math.inf) > threshold


def _window_max(values: Tensor, wraps: bool) -> Tensor:
    """Maximum over the 3 x 3 neighbourhood, along the rows and then along the columns."""
    left, right = values[..., :1], values[..., -1:]
    padded = torch.cat((right, values, left) if wraps else (left, values, right), -1)
    rows = _triple_max(padded[..., :-2], padded[..., 1:-1], padded[..., 2:])
    padded = torch.cat((rows[..., :1, :], rows, rows[..., -1:, :]), -2)
    return _triple_max(padded[..., :-2, :], padded[..., 1:-1, :], padded[..., 2:, :])


def _triple_max(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    return torch.maximum(torch.maximum(first, second), third)
