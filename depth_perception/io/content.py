"""Images without content: covered and blinded lenses, broken sensors, raw dual fisheye frames."""

from __future__ import annotations

import cv2
import numpy as np

_GRID_PX = 64
_SPREAD = 3.0  # gray values; sensor noise vanishes when an image is shrunk
_DARK, _LIT = 16.0, 40.0


def content_fault(image: np.ndarray) -> str:
    """Why an image holds nothing that depth could be made of; "" if it has content.

    It is shrunk to a small grid first, so the cost does not grow with the content.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    small = _small(image)
    low, high = np.percentile(small, (1, 99))
    if high - low < _SPREAD:
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


def _small(image: np.ndarray) -> np.ndarray:
    """(h, w) float32 gray of about the grid."""
    height, width = image.shape[:2]
    step = max(1, min(height, width) // (4 * _GRID_PX))
    part = np.ascontiguousarray(image[::step, ::step])
    gray = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    size = (min(2 * _GRID_PX, gray.shape[1]), min(_GRID_PX, gray.shape[0]))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)
