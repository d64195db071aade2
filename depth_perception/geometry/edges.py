"""Flying pixels: depth values between a near and a far surface."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

_NEIGHBOURS = np.ones((3, 3), np.uint8)


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
    depth = depth.detach().float()
    beyond = depth * (1 + threshold)
    on_cpu = depth.device.type == "cpu"
    jumps = _jumps_on_cpu if on_cpu else _jumps
    if on_cpu and _is_all_usable(depth, valid):
        return jumps(depth, beyond, depth, beyond, wraps)
    usable = (depth > 0) & (depth < math.inf)
    if valid is not None:
        usable = usable & valid
    far, near = torch.where(usable, depth, 0.0), torch.where(usable, beyond, math.inf)
    return usable & jumps(depth, beyond, far, near, wraps)


def _is_all_usable(depth: Tensor, valid: Tensor | None) -> bool:
    values = depth.numpy()
    if not values.size or not (valid is None or valid.numpy().all()):
        return False
    return bool(values.min() > 0) and bool(values.max() < math.inf)  # NaN if there is one


def _jumps(depth: Tensor, beyond: Tensor, far: Tensor, near: Tensor, wraps: bool) -> Tensor:
    """Where the farthest neighbour is beyond a pixel, or a pixel beyond its nearest neighbour.

    ``beyond`` and ``near`` hold the ratio as a factor.
    """
    farther = _window(far, wraps, torch.maximum) > beyond
    return farther | (depth > _window(near, wraps, torch.minimum))


def _jumps_on_cpu(depth: Tensor, beyond: Tensor, far: Tensor, near: Tensor, wraps: bool) -> Tensor:
    """The same by OpenCV and NumPy, ten times as fast as PyTorch."""
    found = torch.empty(depth.shape, dtype=torch.bool)
    maps = (x.reshape(-1, *depth.shape[-2:]).numpy() for x in (found, depth, beyond, far, near))
    for out, here, limit, farther, nearer in zip(*maps, strict=True):
        np.greater(_window_on_cpu(farther, wraps, cv2.dilate), limit, out=out)
        out |= here > _window_on_cpu(nearer, wraps, cv2.erode)
    return found


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


def _window(values: Tensor, wraps: bool, pick: Callable[..., Tensor]) -> Tensor:
    """Maximum or minimum over the 3 x 3 neighbourhood, along the rows and then the columns."""
    rows = values.clone()
    pick(rows[..., 1:], values[..., :-1], out=rows[..., 1:])
    pick(rows[..., :-1], values[..., 1:], out=rows[..., :-1])
    if wraps:
        first, last = slice(None, 1), slice(-1, None)
        for here, beyond in ((first, last), (last, first)):
            pick(rows[..., here], values[..., beyond], out=rows[..., here])
    found = rows.clone()
    pick(found[..., 1:, :], rows[..., :-1, :], out=found[..., 1:, :])
    pick(found[..., :-1, :], rows[..., 1:, :], out=found[..., :-1, :])
    return found


def _window_on_cpu(
    values: np.ndarray, wraps: bool, pick: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """The same of (H, W) by a morphological operation; what is beyond a border does not count."""
    found = pick(values, _NEIGHBOURS)
    if wraps and values.shape[1] > 1:
        seam = pick(np.hstack((values[:, -2:], values[:, :2])), _NEIGHBOURS)
        found[:, -1], found[:, 0] = seam[:, 1], seam[:, 2]
    return found
