"""Pictures of a cloud with the true outline of the place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import Equirectangular
from ..io.cloud_view import Side, cloud_view, view_extent
from .compare import MAX_DEPTH_M, Depth
from .recording import Cloud


@dataclass(frozen=True)
class View:
    """A picture of a cloud and where it lies.

    Attributes:
        name, title: for the file, and for people.
        picture: (H, W, 3) uint8 RGB.
        extent_m: left, right, bottom, top of the picture in metres, the camera at the origin.
        outline_m: (N, 2) true outline in the cut plane, NaN where it is broken, or None.
    """

    name: str
    title: str
    picture: NDArray[np.uint8]
    extent_m: tuple[float, float, float, float]
    outline_m: NDArray[np.float32] | None


def from_above(cloud: Cloud, size: tuple[int, int], truth_m: Depth | None = None) -> View:
    """Straight down; forward is up in the picture.

    ``size`` is (height, width) in pixels. ``truth_m`` (H, W), a full panorama, gives the outline
    at the height of the camera.
    """
    outline = None if truth_m is None else _level_outline(truth_m)
    return _view(cloud, "above", "Point cloud from above", size, outline)


def from_the_side(cloud: Cloud, size: tuple[int, int], truth_m: Depth | None = None) -> View:
    """The half of the cloud left of the camera; forward is right in the picture.

    ``size`` is (height, width) in pixels. ``truth_m`` (H, W), a full panorama, gives the outline
    in the vertical plane through the camera.
    """
    outline = None if truth_m is None else _upright_outline(truth_m)
    return _view(cloud, "side", "Point cloud from the side", size, outline)


def _view(
    cloud: Cloud,
    side: Side,
    title: str,
    size: tuple[int, int],
    outline_m: NDArray[np.float32] | None,
) -> View:
    picture = cloud_view(cloud.points, cloud.colours, side=side, size=size, keep_in_view=outline_m)
    extent = view_extent(cloud.points, side=side, size=size, keep_in_view=outline_m)
    return View(f"cloud_{side}", title, picture, extent, outline_m)


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
