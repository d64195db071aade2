"""Views of a cloud with the outline of the ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import Equirectangular
from ..io.cloud_view import Side, cloud_view
from .compare import MAX_DEPTH_M, Depth, usable
from .recording import Cloud

Outline = NDArray[np.float32]

_FRAMED_M = 12.0
_USUAL_PERCENT, _GLIMPSE_RATIO = 80, 1.5
_TITLES = {"above": "Point cloud from above", "side": "Point cloud from the side"}


@dataclass(frozen=True)
class View:
    """An image of a cloud in parallel projection.

    Attributes:
        name, title: for the file, and for the board.
        image: (H, W, 3) uint8 RGB.
        extent_m: left, right, bottom, top of the image in metres, the camera at the origin.
        outline_m: (N, 2) outline of the ground truth in the cut plane, NaN at gaps, or None.
    """

    name: str
    title: str
    image: NDArray[np.uint8]
    extent_m: tuple[float, float, float, float]
    outline_m: Outline | None


def both_views(
    cloud: Cloud, size: tuple[int, int], predicted_m: Depth, truth_m: Depth | None
) -> tuple[View, View]:
    """From above (forward is up), and the left half from the side (forward is right).

    ``size`` is (height, width) in pixels. ``truth_m`` (H, W), a full panorama, gives the outline
    at the height of the camera and in the vertical plane through it. Without it the views are
    wide enough for all of ``predicted_m`` (H, W) within 12 m.
    """
    sides: tuple[tuple[Side, Callable[[Depth, float], Outline]], ...] = (
        ("above", _level_outline),
        ("side", _upright_outline),
    )
    views = []
    for side, outline in sides:
        true_outline = None if truth_m is None else outline(truth_m, MAX_DEPTH_M)
        framing = outline(predicted_m, _FRAMED_M) if true_outline is None else true_outline
        framing = _without_far_glimpses(framing)
        image, extent = cloud_view(
            cloud.points, cloud.colours, side=side, size=size, keep_in_view=framing
        )
        views.append(View(f"cloud_{side}", _TITLES[side], image, extent, true_outline))
    return views[0], views[1]


def _level_outline(depth_m: Depth, limit_m: float) -> Outline:
    """The border at the height of the camera: (N, 2) right and forward."""
    points, known = _points(depth_m, limit_m)
    row = depth_m.shape[0] // 2
    ring = np.where(known[row, :, None], points[row][:, [0, 2]], np.nan)
    return _broken(np.vstack([ring, ring[:1]]).astype(np.float32))


def _upright_outline(depth_m: Depth, limit_m: float) -> Outline:
    """The border in the plane ahead, above, behind and below: (N, 2) forward and up."""
    points, seen = _points(depth_m, limit_m)
    ahead = points.shape[1] // 2
    loop = np.vstack([points[:, ahead], points[::-1, 0]])[:, [2, 1]] * (1, -1)
    known = np.concatenate([seen[:, ahead], seen[::-1, 0]])
    return _broken(np.where(known[:, None], loop, np.nan).astype(np.float32))


def _without_far_glimpses(line: Outline) -> Outline:
    """Remove points much farther than the rest, such as a house seen through a window."""
    distance = np.linalg.norm(line, axis=-1)
    known = distance[np.isfinite(distance)]
    limit = _GLIMPSE_RATIO * np.percentile(known, _USUAL_PERCENT) if known.size else 0.0
    return line[distance <= limit]


def _points(depth_m: Depth, limit_m: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rays = Equirectangular(*depth_m.shape).rays().numpy()
    known = usable(depth_m, limit_m)
    return rays * np.where(known, depth_m, 0)[..., None], known


def _broken(line: Outline) -> Outline:
    """Put NaN between neighbours that are far apart: a depth edge, not a wall."""
    gaps = np.linalg.norm(np.diff(line, axis=0), axis=-1)
    reach = np.linalg.norm(line[:-1], axis=-1)
    cuts = np.flatnonzero(gaps > 0.25 * reach + 0.1) + 1
    return np.insert(line, cuts, np.float32(np.nan), axis=0)
