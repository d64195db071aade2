"""The panels of a board: input image, depth, ground truth, error and cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import NDArray

from ..geometry import Equirectangular
from ..io.cloud_view import Side, cloud_view
from ..io.colormaps import DEPTH_COLORMAP, render_depth
from .compare import MAX_DEPTH_M, Depth, relative_error, usable
from .layout import COLUMN_PX, LAST_ROW_PX, ColourBar, Panel
from .recording import Cloud

Outline = NDArray[np.float32]

_FRAMED_M = 12.0
_USUAL_PERCENT, _GLIMPSE_RATIO = 80, 1.5
_TITLES = {"above": "Point cloud from above", "side": "Point cloud from the side"}
VIEW_SIZE = (LAST_ROW_PX, COLUMN_PX)
ERROR_LIMIT = 0.5
_ERROR_COLORMAP = "RdBu_r"
_UNKNOWN = (185, 190, 197)
_DEPTH_TICKS = (0.25, 0.5, 1, 2, 3, 5, 10, 20, 40, 80)


@dataclass(frozen=True)
class View:
    """An image of a cloud in parallel projection.

    Attributes:
        name, title: name of the file, and title on the board.
        image: (H, W, 3) uint8 RGB.
        extent_m: left, right, bottom, top of the image in metres, the camera at the origin.
        outline_m: (N, 2) outline of the ground truth in the cut plane, NaN at gaps, or None.
    """

    name: str
    title: str
    image: NDArray[np.uint8]
    extent_m: tuple[float, float, float, float]
    outline_m: Outline | None


@dataclass(frozen=True)
class BoardContent:
    """One frame of a recording.

    Attributes:
        image: (H, W, 3) uint8 RGB, the input.
        predicted_m: (h, w) metres, the depth of the node.
        ground_truth_m: (H, W) metres of ground truth, or None without any.
        cloud: the cloud of the node, in the optical frame.
        max_depth_m: farthest ground truth that counts, and the end of the colour bar.
    """

    image: NDArray[np.uint8]
    predicted_m: Depth
    ground_truth_m: Depth | None
    cloud: Cloud
    max_depth_m: float = MAX_DEPTH_M


def panels(content: BoardContent) -> list[Panel]:
    """The panels for a panorama."""
    found = [input_panel(content.image), depth_panel(content)]
    if content.ground_truth_m is not None:
        found += truth_panels(content)
    notes = ("without points 0.5 m above the camera", "left half, cut at the camera")
    views = both_views(content.cloud, VIEW_SIZE, content.predicted_m, content.ground_truth_m)
    found += [view_panel(view, note) for view, note in zip(views, notes, strict=True)]
    return found


def input_panel(image: NDArray[np.uint8]) -> Panel:
    """The image of the camera."""
    return Panel("Camera image", image=image, name="input", smooth=True)


def depth_panel(content: BoardContent) -> Panel:
    """The depth of the node."""
    return _map_of_depth("Depth from the node", "depth", content.predicted_m, content)


def truth_panels(content: BoardContent) -> Iterator[Panel]:
    """Ground truth, and the error of the depth."""
    assert content.ground_truth_m is not None
    counts = usable(content.ground_truth_m, content.max_depth_m)
    truth = np.where(counts, content.ground_truth_m, np.nan)
    note = "" if counts.all() else f"grey: sky, or farther than {content.max_depth_m:g} m"
    yield _map_of_depth("Ground truth", "ground_truth", truth, content, note)
    yield error_panel(content)


def error_panel(content: BoardContent) -> Panel:
    """The relative error of the depth."""
    assert content.ground_truth_m is not None
    error = relative_error(content.predicted_m, content.ground_truth_m, content.max_depth_m)
    limits = (-ERROR_LIMIT, ERROR_LIMIT)
    image = render_depth(error, limits=limits, colormap=_ERROR_COLORMAP, unknown=_UNKNOWN)
    ticks = np.linspace(*limits, 5)
    bar = ColourBar(
        Normalize(*limits), _ERROR_COLORMAP, ticks, lambda v: f"{100 * v:+.0f} %" if v else "0"
    )
    note = "white: exact   red: too far   blue: too near"
    return Panel("Relative error of the depth", note, image, "error", bar=bar)


def view_panel(view: View, note: str = "") -> Panel:
    """A view of a cloud, with the outline of the ground truth where there is one."""
    left, right, bottom, top = view.extent_m

    def draw(axes: Axes) -> None:
        if view.outline_m is not None:
            axes.plot(*view.outline_m.T, color="#d81b60", linewidth=1.6, label="ground truth")
            axes.legend(loc="upper right", fontsize=12, framealpha=0.9)
        axes.set(xlim=(left, right), ylim=(bottom, top))

    return Panel(view.title, note, view.image, view.name, extent=view.extent_m, draw=draw)


def _map_of_depth(
    title: str, name: str, depth_m: Depth, content: BoardContent, note: str = ""
) -> Panel:
    near, far = _limits(content)
    image = render_depth(depth_m, limits=(near, far), logarithmic=True, unknown=_UNKNOWN)
    ticks = [tick for tick in _DEPTH_TICKS if near <= tick <= far]
    bar = ColourBar(LogNorm(near, far), DEPTH_COLORMAP, ticks, lambda value: f"{value:g} m")
    return Panel(title, note, image, name, bar=bar)


def _limits(content: BoardContent) -> tuple[float, float]:
    """Depths at both ends of the colours: the nearest one, and the farthest that counts."""
    shown = content.predicted_m[usable(content.predicted_m)]
    if content.ground_truth_m is not None:
        truth = content.ground_truth_m
        shown = np.concatenate([shown, truth[usable(truth, content.max_depth_m)]])
    near = float(np.percentile(shown, 0.5)) if shown.size else 0.5
    return min(max(near, 0.1), content.max_depth_m / 4), content.max_depth_m


def both_views(
    cloud: Cloud, size: tuple[int, int], predicted_m: Depth, ground_truth_m: Depth | None
) -> tuple[View, View]:
    """From above (forward is up), and the left half from the side (forward is right).

    ``size`` is (height, width) in pixels. ``ground_truth_m`` (H, W), a full panorama, gives the
    outline at the height of the camera and in the vertical plane through it. Without it the
    views are wide enough for all of ``predicted_m`` (H, W) within 12 m.
    """
    sides: tuple[tuple[Side, Callable[[Depth, float], Outline]], ...] = (
        ("above", _level_outline),
        ("side", _upright_outline),
    )
    views = []
    for side, outline in sides:
        true_outline = None if ground_truth_m is None else outline(ground_truth_m, MAX_DEPTH_M)
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
