"""The panels of a panoptic board: segments, distances of things, and the cloud by segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ..io.cloud_view import cloud_view
from ..io.segment_colours import Colour, segment_colour
from .board import VIEW_SIZE, BoardContent, View, depth_panel, error_panel, input_panel, view_panel
from .instances import RecordedInstance
from .layout import INK, SOFT, Panel

_HEADROOM_M = 0.8
_NO_SEGMENT: Colour = (205, 208, 212)
_LEAST_WIDTH, _LEAST_AREA = 0.02, 0.0015  # of a thing with a label, as shares of the image
_ROWS = 9


@dataclass(frozen=True, kw_only=True)
class PanopticContent(BoardContent):
    """One frame of the recording of a panoptic node.

    Attributes:
        overlay: (H, W, 3) uint8, the image tinted by segments.
        grid: (height, width) of the image that the boxes of ``instances`` refer to.
        instances: nearest first.
        point_ids: (N,) ids of the points of ``cloud``, 0 for none.
        classes: colours of the classes by their numbers.
    """

    overlay: NDArray[np.uint8]
    grid: tuple[int, int]
    instances: Sequence[RecordedInstance]
    point_ids: NDArray[np.uint32]
    classes: Sequence[Colour]


def panels(content: PanopticContent) -> list[Panel]:
    """The panels for a pinhole image with segments."""
    segments = Panel(
        "Segments from the node, with distances", image=content.overlay, name="segments",
        smooth=True, draw=lambda axes: _draw_labels(axes, content),
    )  # fmt: skip
    table = Panel("Things, nearest first", "by z-depth", draw=lambda a: _draw_table(a, content))
    above = view_panel(_view(content, point_colours(content)), "colours of the segments")
    first = [_keeping_shape(panel, content) for panel in (input_panel(content.image), segments)]
    if content.ground_truth_m is not None:
        error = replace(error_panel(content), name="")
        return [*first, depth_panel(content), error, above, table]
    camera = replace(_view(content, content.cloud.colours), name="")
    return [*first, depth_panel(content), table, above, view_panel(camera, "camera colours")]


def point_colours(content: PanopticContent) -> NDArray[np.uint8]:
    """(N, 3) uint8 colours of the segments that the points of the cloud belong to."""
    highest = max((one.id for one in content.instances), default=0)
    palette = np.full((max(highest, int(content.point_ids.max(initial=0))) + 1, 3), _NO_SEGMENT)
    for one in content.instances:
        palette[one.id] = segment_colour(one, content.classes)
    return palette[content.point_ids].astype(np.uint8)


def _view(content: PanopticContent, colours: NDArray[np.uint8]) -> View:
    points = content.cloud.points
    image, extent = cloud_view(points, colours, size=VIEW_SIZE, headroom_m=_HEADROOM_M)
    return View("cloud_above", "Point cloud from above", image, extent, None)


def _keeping_shape(panel: Panel, content: PanopticContent) -> Panel:
    """Images that are not about twice as wide as high keep their shape on the panel."""
    height, width = content.image.shape[:2]
    if abs(width / height - 2) <= 0.2:
        return panel

    def draw(axes: Axes) -> None:
        if panel.draw is not None:
            panel.draw(axes)
        axes.set_aspect("equal")

    return replace(panel, draw=draw)


def _draw_labels(axes: Axes, content: PanopticContent) -> None:
    """A box and a label for every thing that is large enough; the nearest ones come first."""
    height, width = content.overlay.shape[:2]
    down, across = height / content.grid[0], width / content.grid[1]
    taken: list[tuple[float, float]] = []
    for one in content.instances:
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
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _draw_table(axes: Axes, content: PanopticContent) -> None:
    axes.set(xlim=(0, 1), ylim=(_ROWS + 1, 0))
    things = [one for one in content.instances if one.is_thing]
    cells: dict[str, tuple[float, str, Callable[[RecordedInstance], str]]] = {
        "class": (0.08, "left", lambda one: one.label),
        "distance": (0.42, "right", lambda one: f"{one.distance_m:.1f} m"),
        "ground truth": (0.62, "right", lambda one: f"{one.true_m:.1f} m"),
        "width x height x length": (
            0.97, "right", lambda one: " x ".join(f"{edge:.1f}" for edge in one.size_m) + " m",
        ),
    }  # fmt: skip
    if content.ground_truth_m is None:
        del cells["ground truth"]
    for title, (x, side, cell) in cells.items():
        axes.text(x, 0.55, title, color=SOFT, fontsize=12, ha=side, va="center")
        for row, one in enumerate(things[:_ROWS], 1):
            text = cell(one)
            axes.text(x, row + 0.5, text, color=INK, fontsize=13.5, ha=side, va="center")
    for row, one in enumerate(things[:_ROWS], 1):
        shade = np.array(segment_colour(one, content.classes)) / 255
        axes.add_patch(Rectangle((0.02, row + 0.2), 0.04, 0.6, color=tuple(shade)))
    if not things:
        axes.text(0.5, _ROWS / 2, "none", color=SOFT, fontsize=14, ha="center")
    if len(things) > _ROWS:
        rest = f"and {len(things) - _ROWS} more"
        axes.text(0.97, _ROWS + 0.85, rest, color=SOFT, fontsize=11.5, ha="right")
