"""The layout of a board: a headline with figures, and panels in two columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from ..io.images import write_image

WIDTH_PX, COLUMN_PX, LAST_ROW_PX = 1600, 660, 470
INK, SOFT = "#1c2430", "#66707d"

_DPI, _MOST_FACTS = 100, 5
_MARGIN, _GAP = 36, 118
_HEADER, _TITLE, _ROW, _FOOT = 186, 40, 330, 30


@dataclass(frozen=True)
class Fact:
    """One figure of the headline: a short value and its meaning."""

    value: str
    label: str


@dataclass(frozen=True)
class ColourBar:
    """The scale beside a panel.

    Attributes:
        norm, colormap: norm and colormap of the values, as in matplotlib.
        ticks: values with a label.
        label: function that formats a value.
    """

    norm: Normalize
    colormap: str
    ticks: Sequence[float]
    label: Callable[[float], str]


@dataclass(frozen=True)
class Panel:
    """One panel of a board.

    Attributes:
        title, note: above the panel, left and right.
        image: (H, W, 3) uint8 RGB that fills the panel, or None.
        name: file name of the image without suffix, or "" to show it on the board only.
        smooth: whether enlarging the image interpolates between its pixels.
        extent: left, right, bottom, top of the image in the units of ``draw``.
        bar: scale of the colours.
        draw: function that draws over the image.
    """

    title: str
    note: str = ""
    image: NDArray[np.uint8] | None = None
    name: str = ""
    smooth: bool = False
    extent: tuple[float, float, float, float] | None = None
    bar: ColourBar | None = None
    draw: Callable[[Axes], None] | None = None


def write_board(
    path: Path, title: str, subtitle: str, facts: Sequence[Fact], panels: Sequence[Panel]
) -> None:
    """Draw a board of 1600 pixels width into an image file.

    Args:
        path: file to write; its folder is created.
        title, subtitle: headline and the line below it.
        facts: at most five figures.
        panels: row by row; the last two are taller.
    """
    sheet = _Sheet(rows=(len(panels) + 1) // 2)
    sheet.text(_MARGIN, 24, title, fontsize=23, fontweight="bold")
    sheet.text(_MARGIN, 68, subtitle, fontsize=13.5, color=SOFT)
    for index, fact in enumerate(facts):
        left = _MARGIN + index * (WIDTH_PX - 2 * _MARGIN) / _MOST_FACTS
        sheet.text(left, 102, fact.value, fontsize=20, fontweight="bold", color="#0b5cad")
        sheet.text(left, 138, fact.label, fontsize=12, color=SOFT)
    for index, panel in enumerate(panels):
        sheet.panel(index // 2, index % 2, panel)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"quality": 88} if path.suffix == ".jpg" else {}
    sheet.figure.savefig(path, dpi=_DPI, facecolor="white", pil_kwargs=options)


def write_images(folder: Path, panels: Sequence[Panel]) -> tuple[Path, ...]:
    """Save the images of all panels that have a name; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {folder / f"{panel.name}.png": panel.image for panel in panels if panel.name}
    for path, image in images.items():
        write_image(path, image)
    return tuple(images)


class _Sheet:
    """A white page measured in pixels from its top left corner."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.height = _HEADER + (rows - 1) * (_TITLE + _ROW) + _TITLE + LAST_ROW_PX + _FOOT
        self.figure = Figure(figsize=(WIDTH_PX / _DPI, self.height / _DPI), dpi=_DPI)
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = 1 - (top + height) / self.height
        return self.figure.add_axes(
            (left / WIDTH_PX, bottom, width / WIDTH_PX, height / self.height)
        )

    def text(self, left: float, top: float, words: str, **style: Any) -> None:
        self.figure.text(
            left / WIDTH_PX, 1 - top / self.height, words, **{"va": "top", "color": INK, **style}
        )

    def panel(self, row: int, column: int, panel: Panel) -> None:
        left, top = _MARGIN + column * (COLUMN_PX + _GAP), _HEADER + row * (_TITLE + _ROW)
        height = LAST_ROW_PX if row == self.rows - 1 else _ROW - 12
        self.text(left, top + 4, panel.title, fontsize=15, fontweight="bold")
        self.text(left + COLUMN_PX, top + 9, panel.note, fontsize=11.5, color=SOFT, ha="right")
        axes = self.axes(left, top + _TITLE - 6, COLUMN_PX, height)
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_color("#d5d9de")
        if panel.image is not None:
            smooth = "bicubic" if panel.smooth else "nearest"
            axes.imshow(panel.image, extent=panel.extent, aspect="auto", interpolation=smooth)
        if panel.draw is not None:
            panel.draw(axes)
        if panel.bar is not None:
            bar = panel.bar
            colours = ScalarMappable(bar.norm, bar.colormap)
            place = self.axes(left + COLUMN_PX + 12, top + _TITLE - 6, 15, height)
            drawn = self.figure.colorbar(colours, cax=place)
            drawn.ax.yaxis.set_major_locator(FixedLocator(bar.ticks))
            drawn.ax.yaxis.set_minor_locator(NullLocator())
            drawn.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: bar.label(value)))
            drawn.ax.tick_params(labelsize=12, colors=INK)
