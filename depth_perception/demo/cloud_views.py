"""Orthographic pictures of a cloud: from above with the ceiling off, and cut from the side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import Equirectangular
from .compare import MAX_DEPTH_M, Depth
from .recording import Cloud

HEADROOM_M = 0.5
BACKGROUND = (244, 246, 248)
_KEPT_PERCENT = (0.5, 99.5)


@dataclass(frozen=True)
class View:
    """A picture of a cloud and where it lies.

    Attributes:
        name, title: for the file, and for people.
        picture: (H, W, 3) uint8 RGB.
        extent_m: left, right, bottom, top of the picture in metres, the camera at the origin.
        horizontal, vertical: axis labels.
        marker: matplotlib marker of the camera, pointing forward.
        outline_m: (N, 2) true outline in the cut plane, NaN where it is broken, or None.
    """

    name: str
    title: str
    picture: NDArray[np.uint8]
    extent_m: tuple[float, float, float, float]
    horizontal: str
    vertical: str
    marker: str
    outline_m: NDArray[np.float32] | None


def from_above(cloud: Cloud, size: tuple[int, int], truth_m: Depth | None = None) -> View:
    """Look straight down; forward is up. What is more than 0.5 m above the camera is left out.

    ``size`` is (height, width) in pixels. ``truth_m`` (H, W), a full panorama, gives the outline
    at the height of the camera.
    """
    kept = cloud.points[:, 1] > -HEADROOM_M
    points, colours = cloud.points[kept], cloud.colours[kept]
    flat = np.stack([points[:, 0], points[:, 2]], axis=-1)
    outline = None if truth_m is None else _level_outline(truth_m)
    picture, extent = _draw(flat, -points[:, 1], colours, size)
    return View(
        name="cloud_above",
        title=f"Point cloud from above (up to {HEADROOM_M:g} m over the camera)",
        picture=picture,
        extent_m=extent,
        horizontal="to the right, m",
        vertical="forward, m",
        marker="^",
        outline_m=outline,
    )


def from_the_side(cloud: Cloud, size: tuple[int, int], truth_m: Depth | None = None) -> View:
    """Look to the left at the half of the cloud that lies left of the camera; forward is right.

    ``size`` is (height, width) in pixels. ``truth_m`` (H, W), a full panorama, gives the outline
    in the vertical plane through the camera.
    """
    kept = cloud.points[:, 0] <= 0
    points, colours = cloud.points[kept], cloud.colours[kept]
    flat = np.stack([points[:, 2], -points[:, 1]], axis=-1)
    outline = None if truth_m is None else _upright_outline(truth_m)
    picture, extent = _draw(flat, points[:, 0], colours, size)
    return View(
        name="cloud_side",
        title="Point cloud from the side (left half, cut at the camera)",
        picture=picture,
        extent_m=extent,
        horizontal="forward, m",
        vertical="above the camera, m",
        marker=">",
        outline_m=outline,
    )


def _draw(
    flat: NDArray[np.float32],
    nearness: NDArray[np.float32],
    colours: NDArray[np.uint8],
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    """Splat points (N, 2) so that those of greater ``nearness`` (N,) cover the others."""
    height, width = size
    picture = np.full((height, width, 3), BACKGROUND, np.uint8)
    extent = _extent(flat, width / height)
    left, right, bottom, top = extent
    columns = np.floor((flat[:, 0] - left) / (right - left) * width).astype(np.int64)
    rows = np.floor((top - flat[:, 1]) / (top - bottom) * height).astype(np.int64)
    order = np.argsort(nearness, kind="stable")
    shifts = [(0, 0), (0, 1), (1, 0), (1, 1)]
    rows = np.stack([rows[order] + down for down, _ in shifts], axis=-1).reshape(-1)
    columns = np.stack([columns[order] + along for _, along in shifts], axis=-1).reshape(-1)
    painted = np.repeat(colours[order], len(shifts), axis=0)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    picture[rows[inside], columns[inside]] = painted[inside]
    return picture, extent


def _extent(flat: NDArray[np.float32], aspect: float) -> tuple[float, float, float, float]:
    """Borders around the camera and nearly all points, widened to ``aspect`` = width / height."""
    with_camera = np.vstack([flat, np.zeros((1, 2), np.float32)])
    low, high = np.percentile(with_camera, _KEPT_PERCENT, axis=0)
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    span = np.maximum((high - low) * 1.08, 1.0)
    span = np.maximum(span, [span[1] * aspect, span[0] / aspect])
    middle = (low + high) / 2
    (left, bottom), (right, top) = middle - span / 2, middle + span / 2
    return float(left), float(right), float(bottom), float(top)


def _level_outline(truth_m: Depth) -> NDArray[np.float32]:
    """The true border at the height of the camera: (N, 2) right and forward."""
    points, usable = _true_points(truth_m)
    row = truth_m.shape[0] // 2
    ring = np.where(usable[row, :, None], points[row][:, [0, 2]], np.nan)
    return _broken(np.vstack([ring, ring[:1]]).astype(np.float32))


def _upright_outline(truth_m: Depth) -> NDArray[np.float32]:
    """The true border in the plane ahead, above, behind and below: (N, 2) forward and up."""
    points, usable = _true_points(truth_m)
    ahead = points.shape[1] // 2
    loop = np.vstack([points[:, ahead], points[::-1, 0]])[:, [2, 1]] * (1, -1)
    known = np.concatenate([usable[:, ahead], usable[::-1, 0]])
    return _broken(np.where(known[:, None], loop, np.nan).astype(np.float32))


def _true_points(truth_m: Depth) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rays = Equirectangular(*truth_m.shape).rays().numpy()
    usable = np.isfinite(truth_m) & (truth_m > 0) & (truth_m <= MAX_DEPTH_M)
    return rays * np.where(usable, truth_m, 0)[..., None], usable


def _broken(line: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put NaN between neighbours that are far apart: a depth edge, not a wall."""
    gaps = np.linalg.norm(np.diff(line, axis=0), axis=-1)
    reach = np.linalg.norm(line[:-1], axis=-1)
    cuts = np.flatnonzero(gaps > 0.25 * reach + 0.1) + 1
    return np.insert(line, cuts, np.float32(np.nan), axis=0)
