"""Images of a coloured point cloud, from above and from the side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Side = Literal["above", "side"]
Extent = tuple[float, float, float, float]

_OVERSAMPLING = 2
_KEPT_PERCENT = (2.0, 98.0)


@dataclass(frozen=True)
class Style:
    """How a cloud is drawn.

    Attributes:
        background, grid, ink: RGB of the background, the metric grid, the scale bar and its text.
        camera: RGB of the camera marker.
        point_px: diameter of a point in pixels of the image. Gaps between points stay: filled ones
            would show surfaces that nobody measured.
        shading: darkness of surfaces beside others that are nearer; 0: none.
    """

    background: tuple[int, int, int] = (250, 250, 250)
    grid: tuple[int, int, int] = (225, 229, 233)
    ink: tuple[int, int, int] = (60, 66, 72)
    camera: tuple[int, int, int] = (214, 40, 40)
    point_px: float = 3.5
    shading: float = 0.6


WHITE = Style()


@dataclass(frozen=True)
class _Frame:
    """Metres to pixels: ``column = (right - left) * scale``, ``row = (top - up) * scale``."""

    left: float
    top: float
    scale: float
    height: int
    width: int

    def pixels(self, flat: NDArray[np.floating]) -> NDArray[np.floating]:
        """(N, 2) metres to the right and upward as (N, 2) columns and rows."""
        return (flat - (self.left, self.top)) * (self.scale, -self.scale)


def cloud_view(
    points: NDArray[np.floating],
    colours: NDArray[np.uint8],
    *,
    side: Side = "above",
    size: tuple[int, int] = (720, 720),
    style: Style = WHITE,
    headroom_m: float | None = 0.5,
    keep_in_view: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.uint8], Extent]:
    """Draw a cloud in parallel projection with a metric grid, a scale bar and the camera.

    Args:
        points: (..., 3) in the optical frame. Points that are not finite are left out, and the
            outermost two per cent on each side do not widen the view.
        colours: (..., 3) uint8 RGB of the points.
        side: ``"above"`` looks down, forward is up in the image. ``"side"`` looks to the left
            at the half of the cloud that is left of the camera, forward is right.
        size: height and width of the image in pixels.
        style: colours and sizes.
        headroom_m: from above, leave out points higher than this above the camera, so that a
            ceiling does not hide the room; None keeps all.
        keep_in_view: (K, 2) positions in the image plane, metres to the right and upward, that the
            view must contain; NaN are left out.

    Returns:
        (height, width, 3) uint8 RGB, and its borders left, right, bottom, top in metres with the
        camera at the origin.

    Raises:
        ValueError: shapes or types do not fit.
    """
    if points.shape[-1:] != (3,) or colours.shape != points.shape or colours.dtype != np.uint8:
        raise ValueError(
            f"points must be (..., 3) and colours uint8 of the same shape, got {points.shape} and "
            f"{colours.dtype} of shape {colours.shape}"
        )
    points = points.reshape(-1, 3).astype(np.float32)
    finite = np.isfinite(points).all(-1)
    points, colours = points[finite], colours.reshape(-1, 3)[finite]
    kept, flat, nearness = _projected(points, side, headroom_m)
    frame = _frame(flat, size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING, keep_in_view)
    canvas = np.full((frame.height, frame.width, 3), style.background, np.uint8)
    step = _grid_step(frame)
    _draw_grid(canvas, frame, step, style)
    _draw_points(canvas, frame, flat, nearness, colours[kept], style)
    _draw_camera(canvas, frame, side, style)
    _draw_scale_bar(canvas, frame, step, style)
    image = cv2.resize(canvas, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    across, upward = frame.width / frame.scale, frame.height / frame.scale
    return image, (frame.left, frame.left + across, frame.top - upward, frame.top)


def _projected(
    points: NDArray[np.float32], side: Side, headroom_m: float | None
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    """Which points are visible, their positions in the image plane in metres, their nearness."""
    x, y, z = points.T
    if side == "above":
        kept = np.full(len(points), True) if headroom_m is None else y >= -headroom_m
        return kept, np.stack((x, z), -1)[kept], -y[kept]
    if side == "side":
        kept = x <= 0
        return kept, np.stack((z, -y), -1)[kept], x[kept]
    raise ValueError(f"side must be 'above' or 'side', got {side!r}")


def _frame(
    flat: NDArray[np.floating], height: int, width: int, keep_in_view: NDArray[np.floating] | None
) -> _Frame:
    """A frame that contains the camera, nearly all points and all of ``keep_in_view``."""
    wanted = np.zeros((1, 2))
    if len(flat):
        wanted = np.vstack((wanted, np.percentile(flat, _KEPT_PERCENT, axis=0)))
    if keep_in_view is not None:
        wanted = np.vstack((wanted, keep_in_view[np.isfinite(keep_in_view).all(-1)]))
    low, high = wanted.min(0), wanted.max(0)
    span = np.maximum(high - low, 0.5) * 1.12
    scale = float(min(width / span[0], height / span[1]))
    across, up = (float(middle) for middle in (low + high) / 2)
    left, top = across - width / scale / 2, up + height / scale / 2
    return _Frame(left, top, scale, height, width)


def _draw_points(
    canvas: NDArray[np.uint8],
    frame: _Frame,
    flat: NDArray[np.floating],
    nearness: NDArray[np.floating],
    colours: NDArray[np.uint8],
    style: Style,
) -> None:
    """Draw discs, the nearest on top, and shade depth discontinuities."""
    order = np.argsort(nearness, kind="stable")
    columns, rows = np.floor(frame.pixels(flat[order])).astype(np.int64).T
    inside = (columns >= 0) & (columns < frame.width) & (rows >= 0) & (rows < frame.height)
    top = np.full((frame.height, frame.width), -1.0)
    top[rows[inside], columns[inside]] = np.flatnonzero(inside)  # the last one is the nearest
    top = cv2.dilate(top, _disc(round(style.point_px * _OVERSAMPLING))).astype(np.int64)
    drawn = top >= 0
    visible = order[top[drawn]]
    surface = np.full(top.shape, np.nan, np.float32)
    surface[drawn] = nearness[visible]
    shade = _rim_shade(surface, frame, style.shading)[drawn]
    canvas[drawn] = (colours[visible] * shade[:, None]).astype(np.uint8)


def _rim_shade(surface: NDArray[np.float32], frame: _Frame, strength: float) -> NDArray[np.float32]:
    """Eye-dome lighting (Boucheny 2009): pixels lower than their surroundings get darker."""
    reach = 2 * _OVERSAMPLING
    depth_scale = frame.scale / frame.height * 4  # a quarter of the image is a large step
    occlusion = np.zeros_like(surface)
    for down, along in ((-reach, 0), (reach, 0), (0, -reach), (0, reach)):
        step = np.roll(surface, (down, along), (0, 1)) - surface
        occlusion += np.clip(np.nan_to_num(step) * depth_scale, 0, 1)  # NaN: nothing is drawn there
    return np.exp(-strength * occlusion)


def _disc(diameter: int) -> NDArray[np.uint8]:
    """A disc as a mask for OpenCV's morphology."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(diameter, 1), max(diameter, 1)))


def _grid_step(frame: _Frame) -> float:
    """1, 2 or 5 times a power of ten metres: about six lines across the shorter side."""
    wanted = min(frame.height, frame.width) / frame.scale / 6
    power = 10.0 ** math.floor(math.log10(wanted))
    return max(step for factor in (1, 2, 5) if (step := factor * power) <= wanted)


def _draw_grid(canvas: NDArray[np.uint8], frame: _Frame, step: float, style: Style) -> None:
    thickness = _OVERSAMPLING
    first = math.ceil(frame.left / step)
    for number in range(first, first + math.ceil(frame.width / frame.scale / step) + 1):
        column = round((number * step - frame.left) * frame.scale)
        cv2.line(canvas, (column, 0), (column, frame.height), style.grid, thickness)
    first = math.floor(frame.top / step)
    for number in range(first, first - math.ceil(frame.height / frame.scale / step) - 1, -1):
        row = round((frame.top - number * step) * frame.scale)
        cv2.line(canvas, (0, row), (frame.width, row), style.grid, thickness)


def _draw_camera(canvas: NDArray[np.uint8], frame: _Frame, side: Side, style: Style) -> None:
    """An arrow head that points forward, its centre at the camera."""
    length = 9 * _OVERSAMPLING
    outline = np.array([(0, -1.3), (0.95, 1.0), (0, 0.5), (-0.95, 1.0)]) * length
    if side == "side":
        outline = np.stack((-outline[:, 1], outline[:, 0]), -1)
    corners = np.rint(frame.pixels(np.zeros((1, 2))) + outline).astype(np.int32)
    cv2.fillPoly(canvas, [corners], style.camera, cv2.LINE_AA)
    cv2.polylines(canvas, [corners], True, (255, 255, 255), _OVERSAMPLING, cv2.LINE_AA)


def _draw_scale_bar(canvas: NDArray[np.uint8], frame: _Frame, step: float, style: Style) -> None:
    """A bar of one grid step with its length, on a plain box in the lower left corner."""
    unit = _OVERSAMPLING
    text = f"{step:g} m"
    font, font_scale = cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit
    (text_width, text_height), _ = cv2.getTextSize(text, font, font_scale, unit)
    length = round(step * frame.scale)
    box_width = max(length, text_width) + 24 * unit
    box_height = text_height + 34 * unit
    left, top = 12 * unit, frame.height - 12 * unit - box_height
    box = canvas[max(top, 0) : top + box_height, left : left + box_width]
    box[:] = (0.2 * box + 0.8 * np.array(style.background)).astype(np.uint8)
    baseline = top + box_height - 12 * unit
    start = left + 12 * unit
    cv2.line(canvas, (start, baseline), (start + length, baseline), style.ink, 2 * unit)
    for end in (start, start + length):
        cv2.line(canvas, (end, baseline - 4 * unit), (end, baseline + 4 * unit), style.ink, unit)
    place = (start, baseline - 10 * unit)
    cv2.putText(canvas, text, place, font, font_scale, style.ink, unit, cv2.LINE_AA)
