"""Options of ScaleDepth; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ...options import model_option, option
from ..options import EstimatorOptions

WindowScale = Literal["joint", "own"]
WindowMode = Literal["off", "own", "joint"]

LEAST_SIDE = 32


@dataclass(frozen=True)
class Windows:
    """Windows over an image.

    Attributes:
        height, width: size of a window; smaller images have one window of their own size.
        stride: rows and columns from one window to the next.
        scale: ``own`` leaves every window the scale that the network gave it, as the authors do:
            surfaces then change depth where windows end. ``joint`` multiplies each window by the
            factor that makes it agree with its neighbours where they overlap; the factors have a
            geometric mean of 1. Windows fade into each other.
    """

    height: int = 352
    width: int = 512
    stride: int = 160
    scale: WindowScale = "joint"

    def __post_init__(self) -> None:
        if min(self.height, self.width) < LEAST_SIDE or self.stride < 1:
            raise ValueError(
                f"windows need sides of at least {LEAST_SIDE} and a positive stride, got "
                f"{self.height} x {self.width}, stride {self.stride}"
            )
        if self.stride > min(self.height, self.width):
            raise ValueError(f"a stride of {self.stride} leaves gaps between windows")

    def boxes(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """(top, bottom, left, right) of each window of an image, bottom and right exclusive."""
        rows = self._spans(height, self.height)
        columns = self._spans(width, self.width)
        return [(*row, *column) for row in rows for column in columns]

    def _spans(self, size: int, window: int) -> list[tuple[int, int]]:
        count = -(-max(size - window, 0) // self.stride) + 1
        window = min(size, window)
        starts = [min(index * self.stride, size - window) for index in range(count)]
        return [(start, start + window) for start in starts]


def reference_focal(of: str, group: str = "") -> float | None:
    """The option ``reference_focal_px``, a field for the dataclass of a system."""
    return model_option(
        None,
        f"Focal length of the training camera at the size of the network input ({of}). Depth is "
        "multiplied by the ratio of the actual focal length to it. Unset: that of the model, if it "
        "has one; 0 leaves depth unchanged.",
        unit="px",
        within=(0.0, 1e5),
        unset=-1.0,
        group=group,
    )


def _length(default: int, text: str, minimum: int = 1) -> int:
    return model_option(default, text, unit="px", within=(minimum, 4096))


@dataclass(frozen=True)
class ScaleDepthOptions(EstimatorOptions):
    """How ScaleDepth runs.

    ``windows`` also takes None for ``off``, and a :class:`Windows`, which sets all four options.
    The authors evaluate the model of both data sets with ``flip=True, windows="own"``.
    """

    windows: WindowMode = model_option(
        "off",
        "Whether ScaleDepth runs on the whole image (off) or on overlapping windows, finer and "
        "several times as slow: own keeps the scale of each window, joint makes neighbouring "
        "windows agree.",
        choices=get_args(WindowMode),
    )
    window_height: int = _length(Windows.height, "Height of a window of ScaleDepth.", LEAST_SIDE)
    window_width: int = _length(Windows.width, "Width of a window of ScaleDepth.", LEAST_SIDE)
    window_stride: int = _length(
        Windows.stride,
        "Distance between neighbouring windows of ScaleDepth, horizontally and vertically.",
    )
    reference_focal_px: float | None = reference_focal("519.16 for NYU at 480 rows")
    head_size: tuple[int, int] | None = option(
        None,
        "(height, width) through which the depth of a whole image is resampled on its way to the "
        "size of the image. The authors' evaluation of KITTI crops the image but resamples by its "
        "uncropped size.",
        library_only=True,
    )

    def __post_init__(self) -> None:
        if isinstance(self.windows, Windows):
            given = self.windows
            for name in ("height", "width", "stride"):
                object.__setattr__(self, f"window_{name}", getattr(given, name))
            object.__setattr__(self, "windows", given.scale)
        elif self.windows is None:
            object.__setattr__(self, "windows", "off")
        super().__post_init__()
        if self.window_stride > min(self.window_height, self.window_width):
            raise ValueError(
                f"window_stride ({self.window_stride}) must not exceed window_height "
                f"({self.window_height}) and window_width ({self.window_width})"
            )
        if self.head_size is not None and (self.windows != "off" or self.output_size == "network"):
            raise ValueError("head_size is for whole images brought back to their own size")

    @property
    def grid(self) -> Windows | None:
        """The windows; None for the whole image."""
        if self.windows == "off":
            return None
        return Windows(self.window_height, self.window_width, self.window_stride, self.windows)
