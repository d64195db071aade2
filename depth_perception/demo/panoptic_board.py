"""The picture board of panoptic nodes: what stands where, in the picture and in the cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ..io.cloud_view import cloud_view, view_extent
from ..io.images import write_image
from ..io.segment_colours import Colour, segment_colour
from .board import (
    CLOUD_ROW_PX,
    COLUMN_PX,
    BoardContent,
    Sheet,
    depth_colours,
    depth_norm,
    draw_depth,
    draw_error,
    draw_image,
    draw_view,
)
from .cloud_views import View
from .instances import Found

_HEADROOM_M = 0.8
_NO_SEGMENT: Colour = (205, 208, 212)
_LEAST_WIDTH, _LEAST_AREA = 0.02, 0.0015  # shares of the picture from which a thing has a name
_ROWS = 9
_INK, _SOFT = "#1c2430", "#66707d"


@dataclass(frozen=True, kw_only=True)
class PanopticContent(BoardContent):
    """What the board of a panoptic node has besides.

    Attributes:
        overlay: (H, W, 3) uint8, the image tinted by segments.
        grid: (height, width) that the boxes of ``found`` count in.
        found: instances, nearest first.
        point_ids: (N,) ids of the points of ``cloud``, 0 for none.
        classes: colours of the classes by their numbers.
    """

    overlay: NDArray[np.uint8]
    grid: tuple[int, int]
    found: Sequence[Found]
    point_ids: NDArray[np.uint32]
    classes: Sequence[Colour]


def write_panoptic_board(path: Path, content: PanopticContent) -> None:
    """Draw the whole board into one picture file, 1600 pixels wide."""
    sheet = Sheet(3)
    sheet.headline(content.title, content.subtitle, content.facts)
    axes = sheet.panel(0, 0, "What the camera saw")
    draw_image(axes, content.image)
    _keep_shape(axes, content)
    axes = sheet.panel(0, 1, "Segments from the node, and how far things are")
    draw_image(axes, content.overlay)
    _draw_names(axes, content)
    _keep_shape(axes, content)
    norm = depth_norm(content)
    draw_depth(sheet, 1, 0, "Depth from the node", content.predicted_m, norm)
    if content.truth_m is None:
        _draw_table(sheet.panel(1, 1, "Things, nearest first"), content)
    else:
        draw_error(sheet, content)
    view = _above(content)
    draw_view(sheet.cloud_panel(0, view.title, "colours of the segments"), view)
    if content.truth_m is not None:
        _draw_table(sheet.cloud_panel(1, "Things, nearest first", "by z-depth"), content)
    else:
        plain = View("cloud", "", _picture(content, content.cloud.colours), view.extent_m, None)
        draw_view(sheet.cloud_panel(1, "Point cloud from above", "colours of the camera"), plain)
    sheet.save(path)


def write_panoptic_pictures(folder: Path, content: PanopticContent) -> tuple[Path, ...]:
    """Save the parts of the board as pictures of their own, without axes; returns their paths."""
    parts = {
        "input": content.image,
        "segments": content.overlay,
        "depth": depth_colours(content.predicted_m, depth_norm(content), "turbo_r"),
        "cloud_above": _above(content).picture,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in parts.items():
        write_image(folder / f"{name}.png", picture)
    return tuple(folder / f"{name}.png" for name in parts)


def point_colours(content: PanopticContent) -> NDArray[np.uint8]:
    """(N, 3) uint8 colours of the segments that the points of the cloud belong to."""
    highest = max((one.id for one in content.found), default=0)
    palette = np.full((max(highest, int(content.point_ids.max(initial=0))) + 1, 3), _NO_SEGMENT)
    for one in content.found:
        palette[one.id] = segment_colour(one, content.classes)
    return palette[content.point_ids].astype(np.uint8)


def _above(content: PanopticContent) -> View:
    picture = _picture(content, point_colours(content))
    points, size = content.cloud.points, (CLOUD_ROW_PX, COLUMN_PX)
    extent = view_extent(points, size=size, headroom_m=_HEADROOM_M)
    return View("cloud_above", "Point cloud from above", picture, extent, None)


def _picture(content: PanopticContent, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (CLOUD_ROW_PX, COLUMN_PX)
    return cloud_view(content.cloud.points, colours, size=size, headroom_m=_HEADROOM_M)


def _draw_names(axes: Axes, content: PanopticContent) -> None:
    """A box and a name for every thing that is large enough; the nearest keep their place."""
    height, width = content.overlay.shape[:2]
    down, across = height / content.grid[0], width / content.grid[1]
    taken: list[tuple[float, float]] = []
    for one in content.found:
        left, top, box_width, box_height = one.box
        is_large = box_width * box_height > _LEAST_AREA * content.grid[0] * content.grid[1]
        if not (one.is_thing and is_large and box_width > _LEAST_WIDTH * content.grid[1]):
            continue
        shade = np.array(segment_colour(one, content.classes)) / 255
        corner = (left * across - 0.5, top * down - 0.5)
        axes.add_patch(
            Rectangle(corner, box_width * across, box_height * down, fill=False, linewidth=1.4,
                      edgecolor=tuple(0.5 + 0.5 * shade))
        )  # fmt: skip
        middle = (left + box_width / 2) * across
        place = (min(max(middle, 0.11 * width), 0.89 * width), max(top * down, 0.07 * height))
        if any(abs(place[0] - x) < 0.2 * width and abs(place[1] - y) < 0.06 * height
               for x, y in taken):  # fmt: skip
            continue
        taken.append(place)
        axes.text(
            *place, one.text, color="white", fontsize=12.5, fontweight="bold", ha="center",
            va="bottom", path_effects=[withStroke(linewidth=2.6, foreground="black")],
        )  # fmt: skip
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _draw_table(axes: Axes, content: PanopticContent) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(_ROWS + 1, 0)
    things = [one for one in content.found if one.is_thing]
    knows_truth = content.truth_m is not None
    columns = [(0.08, "what", "left"), (0.42, "distance", "right"), (0.62, "truth", "right"),
               (0.97, "width x height x length", "right")]  # fmt: skip
    for x, title, side in columns:
        if title != "truth" or knows_truth:
            axes.text(x, 0.55, title, color=_SOFT, fontsize=12, ha=side, va="center")
    for row, one in enumerate(things[:_ROWS], 1):
        shade = np.array(segment_colour(one, content.classes)) / 255
        axes.add_patch(Rectangle((0.02, row + 0.2), 0.04, 0.6, color=tuple(shade)))
        size = " x ".join(f"{edge:.1f}" for edge in one.size_m)
        cells = (one.label, f"{one.distance_m:.1f} m", f"{one.true_m:.1f} m", f"{size} m")
        for (x, title, side), cell in zip(columns, cells, strict=True):
            if title != "truth" or knows_truth:
                axes.text(x, row + 0.5, cell, color=_INK, fontsize=13.5, ha=side, va="center")
    if not things:
        axes.text(0.5, _ROWS / 2, "none", color=_SOFT, fontsize=14, ha="center")
    if len(things) > _ROWS:
        axes.text(
            0.97, _ROWS + 0.85, f"and {len(things) - _ROWS} more", color=_SOFT, fontsize=11.5,
            ha="right",
        )  # fmt: skip


def _keep_shape(axes: Axes, content: PanopticContent) -> None:
    """Pictures that are not about twice as wide as high keep their shape on the panel."""
    height, width = content.image.shape[:2]
    if abs(width / height - 2) > 0.2:
        axes.set_aspect("equal")
