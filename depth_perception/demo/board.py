"""The panels of a board: input image, depth, ground truth, error and cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import NDArray

from ..io.colormaps import DEPTH_COLORMAP, depth_picture
from .cloud_views import View, both_views
from .compare import MAX_DEPTH_M, Depth, relative_error, usable
from .layout import COLUMN_PX, LAST_ROW_PX, ColourBar, Panel
from .recording import Cloud

VIEW_SIZE = (LAST_ROW_PX, COLUMN_PX)
ERROR_LIMIT = 0.5
_ERROR_COLORMAP = "RdBu_r"
_UNKNOWN = (185, 190, 197)
_DEPTH_TICKS = (0.25, 0.5, 1, 2, 3, 5, 10, 20, 40, 80)


@dataclass(frozen=True)
class BoardContent:
    """One frame of a recording.

    Attributes:
        image: (H, W, 3) uint8 RGB, the input.
        predicted_m: (h, w) metres, the depth of the node.
        truth_m: (H, W) metres of ground truth, or None without any.
        cloud: the cloud of the node, in the optical frame.
        max_depth_m: farthest ground truth that counts, and the end of the colour bar.
    """

    image: NDArray[np.uint8]
    predicted_m: Depth
    truth_m: Depth | None
    cloud: Cloud
    max_depth_m: float = MAX_DEPTH_M


def panels(content: BoardContent) -> list[Panel]:
    """The panels for a panorama."""
    found = [input_panel(content.image), depth_panel(content)]
    if content.truth_m is not None:
        found += truth_panels(content)
    notes = ("without points 0.5 m above the camera", "left half, cut at the camera")
    views = both_views(content.cloud, VIEW_SIZE, content.predicted_m, content.truth_m)
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
    assert content.truth_m is not None
    counts = usable(content.truth_m, content.max_depth_m)
    truth = np.where(counts, content.truth_m, np.nan)
    note = "" if counts.all() else f"grey: sky, or farther than {content.max_depth_m:g} m"
    yield _map_of_depth("Ground truth", "ground_truth", truth, content, note)
    yield error_panel(content)


def error_panel(content: BoardContent) -> Panel:
    """The relative error of the depth."""
    assert content.truth_m is not None
    error = relative_error(content.predicted_m, content.truth_m, content.max_depth_m)
    limits = (-ERROR_LIMIT, ERROR_LIMIT)
    image = depth_picture(error, limits=limits, colormap=_ERROR_COLORMAP, unknown=_UNKNOWN)
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
    image = depth_picture(depth_m, limits=(near, far), logarithmic=True, unknown=_UNKNOWN)
    ticks = [tick for tick in _DEPTH_TICKS if near <= tick <= far]
    bar = ColourBar(LogNorm(near, far), DEPTH_COLORMAP, ticks, lambda value: f"{value:g} m")
    return Panel(title, note, image, name, bar=bar)


def _limits(content: BoardContent) -> tuple[float, float]:
    """Depths at both ends of the colours: the nearest one, and the farthest that counts."""
    shown = content.predicted_m[usable(content.predicted_m)]
    if content.truth_m is not None:
        truth = content.truth_m
        shown = np.concatenate([shown, truth[usable(truth, content.max_depth_m)]])
    near = float(np.percentile(shown, 0.5)) if shown.size else 0.5
    return min(max(near, 0.1), content.max_depth_m / 4), content.max_depth_m
