"""Depth maps as colour images, in which near is warm and far is cold.

The default is turbo from red (near) to blue (far). PanDA's published scripts use
:data:`PUBLISHED_COLORMAP` from the lowest value (blue) to the highest (red), near or far.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from matplotlib import colormaps

from ..depth_space import DepthSpace

DEPTH_COLORMAP = "turbo_r"
INVERSE_DEPTH_COLORMAP = "turbo"
PUBLISHED_COLORMAP = "Spectral_r"
INVALID_COLOUR = (48, 48, 48)


def near_is_warm(space: DepthSpace) -> str:
    """The colour map in which near is warm; in inverse depth the high values are near."""
    return INVERSE_DEPTH_COLORMAP if space is DepthSpace.INVERSE_DEPTH else DEPTH_COLORMAP


def normalise(
    values: np.ndarray, valid: np.ndarray | None = None, limits: tuple[float, float] | None = None
) -> np.ndarray:
    """Scale a map (H, W) to uint8: the lower limit becomes 0, the upper one 255.

    Without ``limits`` they are the extremes of the valid, finite values. The result is truncated,
    not rounded, like in the published scripts of PanDA. A constant map and invalid pixels become 0.
    """
    values = np.asarray(values, np.float32)
    usable = _usable(values, valid)
    if limits is None:
        if not usable.any():
            return np.zeros(values.shape, np.uint8)
        chosen = values[usable]
        limits = (chosen.min(), chosen.max())
    low, high = np.float32(limits[0]), np.float32(limits[1])
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    filled = np.where(usable, values, low)
    return np.clip((filled - low) / (high - low) * np.float32(255), 0, 255).astype(np.uint8)


def colourise(gray: np.ndarray, colormap: str = DEPTH_COLORMAP) -> np.ndarray:
    """Colours (H, W, 3) uint8 RGB of the uint8 indices (H, W) in a matplotlib colour map."""
    return _table(colormap)[gray]


def render_depth(
    values: np.ndarray,
    valid: np.ndarray | None = None,
    *,
    limits: tuple[float, float] | None = None,
    colormap: str | None = DEPTH_COLORMAP,
    logarithmic: bool = False,
    unknown: tuple[int, int, int] = INVALID_COLOUR,
) -> np.ndarray:
    """A map (H, W) as an RGB image (H, W, 3) uint8.

    Args:
        values: the map, any unit.
        valid: (H, W) bool.
        limits: values of the two ends of the colours, see :func:`normalise`.
        colormap: name in matplotlib, or None for gray.
        logarithmic: colours follow the logarithm of the values and of the limits; values must be
            positive.
        unknown: RGB of pixels that are not valid or not finite.
    """
    values = np.asarray(values)
    if logarithmic:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log(values)
        limits = None if limits is None else (math.log(limits[0]), math.log(limits[1]))
    gray = normalise(values, valid, limits)
    image = colourise(gray, colormap) if colormap else np.repeat(gray[..., None], 3, -1)
    image[~_usable(values, valid)] = unknown
    return image


class RunningRange:
    """Colour limits for a video: percentiles of each frame, smoothed over time.

    A frame's own extremes make colours flicker. Here the limits follow the percentiles as a
    first-order low pass: after ``memory`` frames 63 % of a step has arrived.

    Args:
        low_percent, high_percent: percentiles of the valid values.
        memory: time constant in frames.
        start: limits at which an earlier run stopped.
    """

    def __init__(
        self,
        low_percent: float = 2.0,
        high_percent: float = 98.0,
        memory: float = 15.0,
        start: tuple[float, float] | None = None,
    ) -> None:
        if not 0 <= low_percent < high_percent <= 100:
            raise ValueError(
                f"percentiles must satisfy 0 <= low < high <= 100, got {low_percent} and "
                f"{high_percent}"
            )
        if not memory > 0:
            raise ValueError(f"memory must be a positive number of frames, got {memory}")
        self._percentiles = (low_percent, high_percent)
        self._step = 1.0 - math.exp(-1.0 / memory)
        self._limits = start

    def update(
        self, values: np.ndarray, valid: np.ndarray | None = None
    ) -> tuple[float, float] | None:
        """Limits after another frame (H, W); None before the first valid value."""
        chosen = np.asarray(values)[_usable(np.asarray(values), valid)]
        if chosen.size:
            new = [float(limit) for limit in np.percentile(chosen, self._percentiles)]
            old = self._limits or new
            low, high = (o + self._step * (n - o) for o, n in zip(old, new, strict=True))
            self._limits = (low, high)
        return self._limits


def _usable(values: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    finite = np.isfinite(values)
    return finite if valid is None else finite & np.asarray(valid, bool)


@lru_cache(maxsize=16)
def _table(colormap: str) -> np.ndarray:
    if colormap not in colormaps:
        raise ValueError(f"matplotlib has no colour map {colormap!r}")
    return (colormaps[colormap](np.arange(256))[:, :3] * 255).astype(np.uint8)
