"""Depth edges, where a network blends a near and a far surface into flying pixels."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

_NEIGHBOURS = np.ones((3, 3), np.uint8)
_BAND_PIXELS = 1 << 16


def edge_mask(
    depth: Tensor, threshold: float = 0.1, valid: Tensor | None = None, *, wraps: bool = False
) -> Tensor:
    """Pixels at a depth jump, whose points would float between two surfaces.

    A pixel is marked when its depth is more than ``1 + threshold`` times that of one of its eight
    neighbours, or less than that share of it. A threshold of 0.1 marks a jump from 2.0 m to 2.3 m
    on both sides, at any scale of the depth. Surfaces at a grazing angle are marked too: with an
    angular pixel size a, a plane whose slant (angle from the normal) exceeds about
    ``atan(threshold / a)``.

    Args:
        depth: (..., H, W) positive floats.
        threshold: relative jump, positive.
        valid: (..., H, W) bool. Pixels that are invalid, not finite or not positive are ignored:
            they are never marked, nor do they mark a neighbour.
        wraps: whether the left and right border are neighbours (full panoramas).

    Returns:
        (..., H, W) bool, true on pixels to drop.
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be a positive relative jump, got {threshold}")
    depth = depth.detach().float()
    ratio = 1 + threshold
    if depth.device.type == "cpu":
        return _edges_on_cpu(depth, valid, ratio, wraps)
    return _edges_on_device(depth, valid, ratio, wraps)


def _edges_on_device(depth: Tensor, valid: Tensor | None, ratio: float, wraps: bool) -> Tensor:
    usable = (depth > 0) & (depth < math.inf)
    if valid is not None:
        usable = usable & valid
    beyond = depth * ratio
    far, near = torch.where(usable, depth, 0.0), torch.where(usable, beyond, math.inf)
    farther = _window(far, wraps, torch.maximum) > beyond
    return usable & (farther | (depth > _window(near, wraps, torch.minimum)))


def _edges_on_cpu(depth: Tensor, valid: Tensor | None, ratio: float, wraps: bool) -> Tensor:
    """Compute the edges by OpenCV and NumPy, ten times as fast as by PyTorch."""
    found = torch.empty(depth.shape, dtype=torch.bool, device="cpu")
    if not depth.numel():
        return found
    grid = depth.shape[-2:]
    maps = zip(depth.reshape(-1, *grid).numpy(), found.view(-1, *grid).numpy(), strict=True)
    if valid is not None:
        valid = valid.bool().expand(depth.shape).reshape(-1, *grid)
    for index, (values, out) in enumerate(maps):
        known = None if valid is None else valid[index].numpy()
        usable = None if known is None or known.all() else known
        if not (values.min() > 0 and values.max() < math.inf):  # comparisons with NaN are false
            seen = (values > 0) & (values < math.inf)
            usable = seen if usable is None else usable & seen
        _mark_edges(values, usable, np.float32(ratio), wraps, out)
    return found


def _mark_edges(
    depth: np.ndarray, usable: np.ndarray | None, ratio: np.float32, wraps: bool, out: np.ndarray
) -> None:
    """Fill ``out`` (H, W), in bands of rows that stay in the cache of a core."""
    rows = max(1, _BAND_PIXELS // depth.shape[1])
    for top in range(0, len(depth), rows):
        above = min(top, 1)
        band = slice(top - above, top + rows + 1)
        here = depth[band]
        with np.errstate(over="ignore"):
            beyond = here * ratio
        far, near = here, beyond
        if usable is not None:
            far = np.where(usable[band], here, np.float32(0))
            near = np.where(usable[band], beyond, np.float32(math.inf))
        edges = _window_on_cpu(far, wraps, cv2.dilate) > beyond
        edges |= here > _window_on_cpu(near, wraps, cv2.erode)
        if usable is not None:
            edges &= usable[band]
        out[top : top + rows] = edges[above : above + rows]


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
    """Maximum or minimum over the 3 x 3 neighbourhood (H, W), by OpenCV; borders are not padded."""
    found = pick(values, _NEIGHBOURS)
    if wraps and values.shape[1] > 1:
        seam = pick(np.hstack((values[:, -2:], values[:, :2])), _NEIGHBOURS)
        found[:, -1], found[:, 0] = seam[:, 1], seam[:, 2]
    return found
