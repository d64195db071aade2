"""Depth edges, where a network blends a near and a far surface into flying pixels."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .camera import Camera
from .equirectangular import Equirectangular

_BAND_PIXELS = 1 << 16
_PANORAMA_REACH_DEG = 180 / 112
_PINHOLE_ROWS = 400
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def edge_reach(camera: Camera) -> int:
    """Pixels over which :func:`edge_mask` compares depth, by the resolution of a map.

    A network blends two surfaces over about a pixel of its own grid. So the reach is an angle: 1.6
    degrees on panoramas, and a 400th of the height of a pinhole image; at least one pixel.
    """
    if isinstance(camera, Equirectangular):
        rows_per_deg = camera.height / math.degrees(camera.vertical_fov)
        return max(1, round(_PANORAMA_REACH_DEG * rows_per_deg))
    return max(1, round(camera.height / _PINHOLE_ROWS))


def edge_mask(
    depth: Tensor,
    threshold: float = 0.1,
    valid: Tensor | None = None,
    *,
    wraps: bool = False,
    reach: int | None = None,
) -> Tensor:
    """Pixels at a depth jump, whose points would float between two surfaces.

    A pixel is a candidate when its depth is more than ``1 + threshold`` times that of a pixel at
    most ``reach`` rows and columns away, or less than that share of it. A threshold of 0.1 finds a
    jump from 2.0 m to 2.3 m on both sides, at any scale of the depth. The inverse depth of a plane
    changes evenly, at any slant; so candidates are marked only if one of them, at most ``reach``
    away, lies where the second difference of inverse depth over ``reach`` pixels, along a row, a
    column or a diagonal, exceeds ``threshold / (1 + threshold)`` of the largest of the three.

    Args:
        depth: (..., H, W) positive floats.
        threshold: relative jump, positive.
        valid: (..., H, W) bool. Pixels that are invalid, not finite or not positive are ignored:
            they are never marked, nor do they mark a neighbour.
        wraps: whether the left and right border are neighbours (full panoramas).
        reach: pixels, at least 1; None takes that of :func:`edge_reach` for a full panorama if
            ``wraps``, else for a pinhole image.

    Returns:
        (..., H, W) bool, true on pixels to drop.
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be a positive relative jump, got {threshold}")
    if reach is None:
        rows = depth.shape[-2]
        reach = max(1, round(rows * _PANORAMA_REACH_DEG / 180 if wraps else rows / _PINHOLE_ROWS))
    if reach < 1:
        raise ValueError(f"reach must be at least 1 pixel, got {reach}")
    depth = depth.detach().float()
    if not depth.numel():
        return torch.empty(depth.shape, dtype=torch.bool, device=depth.device)
    on = _edges_on_cpu if depth.device.type == "cpu" else _edges_on_device
    return on(depth, valid, 1 + threshold, wraps, reach)


def _edges_on_device(
    depth: Tensor, valid: Tensor | None, ratio: float, wraps: bool, reach: int
) -> Tensor:
    usable = (depth > 0) & (depth < math.inf)
    if valid is not None:
        usable = usable & valid
    beyond = depth * ratio
    far, near = torch.where(usable, depth, 0.0), torch.where(usable, beyond, math.inf)
    farther = _largest(far, wraps, reach) > beyond
    found = usable & (farther | (depth > -_largest(-near, wraps, reach)))
    inverse = torch.where(usable, 1 / depth, math.nan)
    bent = torch.zeros_like(found)
    for down, right in _DIRECTIONS:
        sides = [
            _moved(inverse, sign * down * reach, sign * right * reach, wraps) for sign in (1, -1)
        ]
        one, other = (torch.where(side.isnan(), inverse, side) for side in sides)
        largest = torch.maximum(torch.maximum(one, other), inverse)
        bent |= (one + other - 2 * inverse).abs() > (1 - 1 / ratio) * largest
    return found & (_largest((found & bent).float(), wraps, reach) > 0)


def _largest(values: Tensor, wraps: bool, reach: int) -> Tensor:
    """Maximum over the neighbourhood of each pixel (..., H, W)."""
    planes = values.reshape(-1, 1, *values.shape[-2:])
    width = planes.shape[-1]
    if wraps:
        columns = torch.arange(-reach, width + reach, device=values.device) % width
        planes = planes[..., columns]
    aside = 0 if wraps else reach
    side = 2 * reach + 1
    return F.max_pool2d(planes, side, stride=1, padding=(reach, aside)).reshape(values.shape)


def _moved(values: Tensor, down: int, right: int, wraps: bool) -> Tensor:
    """The value of the pixel so far away; the borders are repeated."""
    height, width = values.shape[-2:]
    rows = torch.arange(height, device=values.device) + down
    columns = torch.arange(width, device=values.device) + right
    columns = columns % width if wraps else columns.clamp(0, width - 1)
    return values[..., rows.clamp(0, height - 1), :][..., columns]


def _edges_on_cpu(
    depth: Tensor, valid: Tensor | None, ratio: float, wraps: bool, reach: int
) -> Tensor:
    """Compute the edges by OpenCV and NumPy, ten times as fast as by PyTorch."""
    found = torch.empty(depth.shape, dtype=torch.bool, device="cpu")
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
        _mark_edges(values, usable, (np.float32(ratio), wraps, reach), out)
    return found


Rule = tuple[np.float32, bool, int]
"""Ratio of depths, whether the image wraps around, reach in pixels."""


def _mark_edges(depth: np.ndarray, usable: np.ndarray | None, rule: Rule, out: np.ndarray) -> None:
    """Fill ``out`` (H, W), in bands of rows that stay in the cache of a core."""
    ratio, wraps, reach = rule
    rows = max(1, _BAND_PIXELS // depth.shape[1], 2 * reach)
    window = np.ones((2 * reach + 1,) * 2, np.uint8)
    for top in range(0, len(depth), rows):
        above = min(top, 2 * reach)
        band = slice(top - above, top + rows + 2 * reach)
        here, known = depth[band], None if usable is None else usable[band]
        with np.errstate(over="ignore"):
            beyond = here * ratio
        far, near = here, beyond
        if known is not None:
            far = np.where(known, here, np.float32(0))
            near = np.where(known, beyond, np.float32(math.inf))
        edges = _on_window(far, wraps, cv2.dilate, window) > beyond
        edges |= here > _on_window(near, wraps, cv2.erode, window)
        if known is not None:
            edges &= known
        if edges.any():
            bent = _bent(here, known, edges, rule)
            edges &= _on_window(bent, wraps, cv2.dilate, window).view(bool)
        out[top : top + rows] = edges[above : above + rows]


def _bent(
    depth: np.ndarray, known: np.ndarray | None, candidates: np.ndarray, rule: Rule
) -> np.ndarray:
    """The candidates (H, W) uint8 where the second difference of inverse depth is large."""
    ratio, wraps, reach = rule
    inverse = _inverse(depth, known, wraps, reach)
    width, stride = depth.shape[1], inverse.shape[1]
    pixels = np.flatnonzero(candidates)
    row = pixels // width
    places = pixels + row * (stride - width) + reach * (stride + 1)
    inverse = inverse.ravel()
    middle = inverse[places]
    found = np.zeros(len(places), bool)
    least = np.float32(1 - 1 / ratio)
    with np.errstate(invalid="ignore", over="ignore"):
        for down, right in _DIRECTIONS:
            step = (down * stride + right) * reach
            one, other = inverse[places + step], inverse[places - step]
            if known is not None:
                np.copyto(one, middle, where=np.isnan(one))
                np.copyto(other, middle, where=np.isnan(other))
            largest = np.maximum(np.maximum(one, other), middle)
            found |= np.abs(one + other - 2 * middle) > least * largest
    bent = np.zeros(depth.shape, np.uint8)
    bent.ravel()[pixels[found]] = 1
    return bent


def _inverse(depth: np.ndarray, known: np.ndarray | None, wraps: bool, reach: int) -> np.ndarray:
    """Inverse depth (H + 2 reach, W + 2 reach), NaN where unknown, continued beyond its borders."""
    height, width = depth.shape
    padded = np.empty((height + 2 * reach, width + 2 * reach), np.float32)
    rows = padded[reach : reach + height]
    inner = rows[:, reach : reach + width]
    with np.errstate(divide="ignore", over="ignore"):
        np.reciprocal(depth, out=inner)
    if known is not None:
        np.copyto(inner, np.float32(math.nan), where=~known)
    beyond = np.arange(reach)
    left, right = (width - reach + beyond, beyond) if wraps else (beyond * 0, beyond * 0 - 1)
    rows[:, :reach] = inner[:, left % width]
    rows[:, reach + width :] = inner[:, right % width]
    padded[:reach], padded[reach + height :] = rows[0], rows[-1]
    return padded


def _on_window(
    values: np.ndarray,
    wraps: bool,
    pick: Callable[[np.ndarray, np.ndarray], np.ndarray],
    window: np.ndarray,
) -> np.ndarray:
    """Maximum or minimum over a window around each pixel, by OpenCV; borders are not padded."""
    found = pick(values, window)
    if wraps:
        reach, width = len(window) // 2, values.shape[1]
        columns = np.arange(-2 * reach, 2 * reach) % width
        seam = pick(np.ascontiguousarray(values[:, columns]), window)
        found[:, columns[reach : 3 * reach]] = seam[:, reach : 3 * reach]
    return found
