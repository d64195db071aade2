"""The picture board: what went in, what came out, how far it is from the truth, and the cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from ..io.images import write_image
from .cloud_views import View, both_views
from .compare import MAX_DEPTH_M, Depth, relative_error
from .recording import Cloud

WIDTH_PX = 1600
DPI = 100
ERROR_LIMIT = 0.5
MOST_FACTS = 5

_INK, _SOFT, _UNKNOWN = "#1c2430", "#66707d", "#b9bec5"
_MARGIN, COLUMN_PX, _GAP = 36, 660, 118
_HEADER, _TITLE, _ROW, CLOUD_ROW_PX, _FOOT = 186, 40, 330, 470, 30
_DEPTH_TICKS = (0.25, 0.5, 1, 2, 3, 5, 10, 20, 40, 80)


@dataclass(frozen=True)
class Fact:
    """One figure of the headline: a short value and what it is."""

    value: str
    label: str


@dataclass(frozen=True)
class BoardContent:
    """Everything on the board.

    Attributes:
        title, subtitle: headline and the line below it.
        facts: at most five figures.
        image: (H, W, 3) uint8 RGB panorama that went in.
        predicted_m: (h, w) metres that came out.
        truth_m: (H, W) metres, or None for a picture of the user.
        cloud: the cloud that came out, in the optical frame.
        max_depth_m: farthest ground truth that counts, and the end of the colour bar.
    """

    title: str
    subtitle: str
    facts: Sequence[Fact]
    image: NDArray[np.uint8]
    predicted_m: Depth
    truth_m: Depth | None
    cloud: Cloud
    max_depth_m: float = MAX_DEPTH_M


def write_board(path: Path, content: BoardContent) -> None:
    """Draw the whole board into one picture file, 1600 pixels wide."""
    sheet = Sheet(3 if content.truth_m is not None else 2)
    sheet.headline(content.title, content.subtitle, content.facts)
    draw_image(sheet.panel(0, 0, "What the camera saw"), content.image)
    norm = depth_norm(content)
    draw_depth(sheet, 0, 1, "Depth from the node", content.predicted_m, norm)
    if content.truth_m is not None:
        truth = np.where(known_truth(content), content.truth_m, np.nan)
        draw_depth(sheet, 1, 0, "True depth", truth, norm, unknown=unknown_note(content))
        draw_error(sheet, content)
    notes = ("without what is 0.5 m above the camera", "left half, cut at the camera")
    for column, (view, note) in enumerate(zip(_views(content), notes, strict=True)):
        draw_view(sheet.cloud_panel(column, view.title, note), view)
    sheet.save(path)


def write_pictures(folder: Path, content: BoardContent) -> tuple[Path, ...]:
    """Save the parts of the board as pictures of their own, without axes; returns their paths."""
    norm = depth_norm(content)
    parts: dict[str, NDArray[np.uint8]] = {
        "input": content.image,
        "depth": depth_colours(content.predicted_m, norm, "turbo_r"),
    }
    if content.truth_m is not None:
        error = relative_error(content.predicted_m, content.truth_m, content.max_depth_m)
        truth = np.where(known_truth(content), content.truth_m, np.nan)
        parts["ground_truth"] = depth_colours(truth, norm, "turbo_r")
        parts["error"] = depth_colours(error, Normalize(-ERROR_LIMIT, ERROR_LIMIT), "RdBu_r")
    for view in _views(content):
        parts[view.name] = view.picture
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, picture in parts.items():
        paths.append(folder / f"{name}.png")
        write_image(paths[-1], picture)
    return tuple(paths)


class Sheet:
    """A white page measured in pixels from its top left corner."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.height = _HEADER + (rows - 1) * (_TITLE + _ROW) + _TITLE + CLOUD_ROW_PX + _FOOT
        self.figure = Figure(figsize=(WIDTH_PX / DPI, self.height / DPI), dpi=DPI)
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        return self.figure.add_axes(
            (
                left / WIDTH_PX,
                1 - (top + height) / self.height,
                width / WIDTH_PX,
                height / self.height,
            )
        )

    def text(self, left: float, top: float, words: str, **style: Any) -> None:
        self.figure.text(
            left / WIDTH_PX, 1 - top / self.height, words, va="top", **{"color": _INK, **style}
        )

    def headline(self, title: str, subtitle: str, facts: Sequence[Fact]) -> None:
        """What it is, and the figures in a row."""
        self.text(_MARGIN, 24, title, fontsize=23, fontweight="bold")
        self.text(_MARGIN, 68, subtitle, fontsize=13.5, color=_SOFT)
        slot = (WIDTH_PX - 2 * _MARGIN) / MOST_FACTS
        for index, fact in enumerate(facts):
            left = _MARGIN + index * slot
            self.text(left, 102, fact.value, fontsize=20, fontweight="bold", color="#0b5cad")
            self.text(left, 138, fact.label, fontsize=12, color=_SOFT)

    def panel(self, row: int, column: int, title: str, note: str = "") -> Axes:
        left = _MARGIN + column * (COLUMN_PX + _GAP)
        top = _HEADER + row * (_TITLE + _ROW)
        self._title(left, top, title, note)
        return _without_ticks(self.axes(left, top + _TITLE - 6, COLUMN_PX, _ROW - 12))

    def colour_bar(self, row: int, column: int) -> Axes:
        left = _MARGIN + column * (COLUMN_PX + _GAP) + COLUMN_PX + 12
        return self.axes(left, _HEADER + row * (_TITLE + _ROW) + _TITLE - 6, 15, _ROW - 12)

    def cloud_panel(self, column: int, title: str, note: str) -> Axes:
        left = _MARGIN + column * (COLUMN_PX + _GAP)
        top = _HEADER + (self.rows - 1) * (_TITLE + _ROW)
        self._title(left, top, title, note)
        return _without_ticks(self.axes(left, top + _TITLE - 6, COLUMN_PX, CLOUD_ROW_PX))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"quality": 88} if path.suffix == ".jpg" else {}
        self.figure.savefig(path, dpi=DPI, facecolor="white", pil_kwargs=options)

    def _title(self, left: float, top: float, title: str, note: str = "") -> None:
        self.text(left, top + 4, title, fontsize=15, fontweight="bold")
        if note:
            right = (left + COLUMN_PX) / WIDTH_PX
            self.figure.text(
                right, 1 - (top + 9) / self.height, note, va="top", ha="right", fontsize=11.5,
                color=_SOFT,
            )  # fmt: skip


def draw_image(axes: Axes, image: NDArray[np.uint8]) -> None:
    """A picture (H, W, 3) that fills its panel."""
    axes.imshow(image, interpolation="bicubic", aspect="auto")


def draw_depth(
    sheet: Sheet,
    row: int,
    column: int,
    title: str,
    depth_m: Depth,
    norm: LogNorm,
    unknown: str = "",
) -> None:
    """A depth map with its colour bar; ``unknown`` is the note above."""
    axes = sheet.panel(row, column, title, unknown)
    axes.set_facecolor(_UNKNOWN)
    drawn = axes.imshow(
        np.ma.masked_invalid(depth_m), norm=norm, cmap="turbo_r", aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    bar = sheet.figure.colorbar(drawn, cax=sheet.colour_bar(row, column))
    ticks = [tick for tick in _DEPTH_TICKS if norm.vmin <= tick <= norm.vmax]
    bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} m"))
    bar.ax.tick_params(labelsize=12, colors=_INK)


def draw_error(sheet: Sheet, content: BoardContent) -> None:
    """Where the depth is too far or too near, with its colour bar."""
    assert content.truth_m is not None
    error = relative_error(content.predicted_m, content.truth_m, content.max_depth_m)
    axes = sheet.panel(1, 1, "Error of the depth", "white: exact   red: too far   blue: too near")
    axes.set_facecolor(_UNKNOWN)
    drawn = axes.imshow(
        np.ma.masked_invalid(error), norm=Normalize(-ERROR_LIMIT, ERROR_LIMIT), cmap="RdBu_r",
        aspect="auto", interpolation="nearest",
    )  # fmt: skip
    bar = sheet.figure.colorbar(drawn, cax=sheet.colour_bar(1, 1))
    bar.ax.yaxis.set_major_locator(FixedLocator([-0.5, -0.25, 0, 0.25, 0.5]))
    bar.ax.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:+.0f} %" if value else "0")
    )
    bar.ax.tick_params(labelsize=12, colors=_INK)


def draw_view(axes: Axes, view: View) -> None:
    """A picture of a cloud, and the true outline where it is known."""
    left, right, bottom, top = view.extent_m
    axes.imshow(view.picture, extent=view.extent_m, aspect="auto", interpolation="antialiased")
    if view.outline_m is not None:
        axes.plot(*view.outline_m.T, color="#d81b60", linewidth=1.6, label="true outline")
        axes.legend(loc="upper right", fontsize=12, framealpha=0.9)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _views(content: BoardContent) -> tuple[View, View]:
    size = (CLOUD_ROW_PX, COLUMN_PX)
    return both_views(content.cloud, size, content.predicted_m, content.truth_m)


def depth_norm(content: BoardContent) -> LogNorm:
    """From the nearest depth to the farthest that counts."""
    shown = content.predicted_m[np.isfinite(content.predicted_m) & (content.predicted_m > 0)]
    if content.truth_m is not None:
        shown = np.concatenate([shown, content.truth_m[known_truth(content)]])
    near = float(np.percentile(shown, 0.5)) if shown.size else 0.5
    return LogNorm(min(max(near, 0.1), content.max_depth_m / 4), content.max_depth_m)


def known_truth(content: BoardContent) -> NDArray[np.bool_]:
    """(H, W) bool: where there is a true depth that counts."""
    truth = content.truth_m
    assert truth is not None
    return np.isfinite(truth) & (truth > 0) & (truth <= content.max_depth_m)


def unknown_note(content: BoardContent) -> str:
    """What grey means, or nothing where there is none."""
    if bool(known_truth(content).all()):
        return ""
    return f"grey: sky, or farther than {content.max_depth_m:g} m"


def depth_colours(values: Depth, norm: Normalize, name: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a map in a colour map of matplotlib, grey where unknown."""
    shade = colormaps[name].with_extremes(bad=_UNKNOWN)
    return np.asarray(shade(norm(np.ma.masked_invalid(values)), bytes=True)[..., :3])


def _without_ticks(axes: Axes) -> Axes:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#d5d9de")
    return axes
