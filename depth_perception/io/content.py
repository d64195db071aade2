"""Images without content: covered lenses, broken or frozen sensors, raw dual fisheye frames."""

from __future__ import annotations

import zlib

import cv2
import numpy as np

_GRID_PX = 64
_SPREAD = 3.0  # gray values
_SIGMAS = 5.0  # of sensor noise, which shrinks with the image, from the 1st percentile to the 99th
_MOST_NOISE = 12.0
_DARK, _LIT = 16.0, 40.0
_FEW_ROWS = 8  # every n-th row tells most images apart


def content_fault(image: np.ndarray) -> str:
    """Why an image holds nothing that depth could be made of; "" if it has content.

    It is shrunk to a small grid first, so the cost does not grow with the content.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    gray, small = _gray(image), _small(image)
    low, high = np.percentile(small, (1, 99))
    if high - low < _SPREAD + _SIGMAS * _noise(gray) * np.sqrt(small.size / gray.size):
        level = "black" if high < _DARK else "white" if low > 255 - _DARK else "of one colour"
        return f"the image has no content: it is {level} (a covered or blinded lens?)"
    along, across = small.std(axis=1).mean(), small.std(axis=0).mean()
    if min(along, across) < 0.5 and max(along, across) > _SPREAD:
        what = "rows" if across < along else "columns"
        return f"the image has no content: all its {what} are equal (a broken sensor?)"
    return ""


def is_dual_fisheye(image: np.ndarray) -> bool:
    """Whether a 2:1 image looks like two round images side by side instead of a panorama.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    if not 1.9 < image.shape[1] / image.shape[0] < 2.1:
        return False
    small = cv2.resize(_small(image), (2 * _GRID_PX, _GRID_PX), interpolation=cv2.INTER_AREA)
    centre = np.arange(_GRID_PX) + 0.5 - _GRID_PX / 2
    radius = np.hypot(centre[:, None], centre) / (_GRID_PX / 2)
    outside, inside = radius > 1.06, radius < 0.8
    halves = small[:, :_GRID_PX], small[:, _GRID_PX:]
    return all(
        np.percentile(half[outside], 90) < _DARK and half[inside].mean() > _LIT for half in halves
    )


class Repeats:
    """Tells for how long a camera has sent exactly the same image. Not thread-safe."""

    def __init__(self) -> None:
        self._few: int | None = None
        self._all: int | None = None
        self._since_s = 0.0

    def add(self, image: np.ndarray, now_s: float) -> float:
        """Seconds since the first of the equal images up to this one; 0 if it is a new one.

        Two images must be equal before the third counts.

        Args:
            image: (H, W, 3) uint8.
            now_s: when it came, seconds.
        """
        few = _checksum(image[::_FEW_ROWS])
        if few != self._few:
            self._few, self._all, self._since_s = few, None, now_s
            return 0.0
        whole = _checksum(image)
        if whole != self._all:
            self._all, self._since_s = whole, now_s
        return now_s - self._since_s


def _checksum(image: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(image), image.shape[1])


def _small(image: np.ndarray) -> np.ndarray:
    """(h, w) float32 gray of about the grid."""
    gray = _gray(image)
    size = (min(2 * _GRID_PX, gray.shape[1]), min(_GRID_PX, gray.shape[0]))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _gray(image: np.ndarray) -> np.ndarray:
    """(h, w) uint8 gray of every n-th pixel, several for each cell of the grid."""
    step = max(1, min(image.shape[:2]) // (4 * _GRID_PX))
    return cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_RGB2GRAY)


def _noise(gray: np.ndarray) -> float:
    """Standard deviation of what differs from pixel to pixel, by the median of the differences.

    More than a sensor in the dark has is texture.
    """
    if gray.shape[1] < 2:
        return 0.0
    apart = np.abs(np.diff(gray.astype(np.int16), axis=1))
    return min(float(np.median(apart)) / (0.6745 * np.sqrt(2)), _MOST_NOISE)
